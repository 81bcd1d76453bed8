// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.paging.PagingBackend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PluginHostTest {
  private static final String BACKEND = PagingBackend.class.getName();
  private static final String API = "dev.quire.api.paging,dev.quire.api.domain";

  @TempDir Path folder;
  private final PluginHost host = new PluginHost(ApiManifest.read());

  @AfterEach
  void stop() {
    host.close();
  }

  private List<Provider<PagingBackend>> backends() {
    return host.providers(ServiceType.BACKEND);
  }

  @Test
  void plainJarProvidesServicesOfTheLaunchersOwnType() {
    Path jar = TestJar.backend("third.party.Mine", "mine").in(folder, "my plug-in (1).jar");
    host.launch(List.of(jar));
    assertThat(host.problems()).isEmpty();
    assertThat(backends())
        .singleElement()
        .satisfies(
            it -> {
              assertThat(it.name()).isEqualTo("mine");
              assertThat(it.place()).isEqualTo(jar.toString());
              assertThat(it.bundle()).isEqualTo("my-plug-in--1-");
              assertThat(it.service().getClass().getClassLoader())
                  .isNotSameAs(getClass().getClassLoader());
            });
  }

  @Test
  void plainJarSeesThePlatformBeyondJavaPackages() {
    String source =
        """
        package third;
        public class Xml implements dev.quire.api.guest.WorkloadFactory {
          public String name() {
            try {
              return javax.xml.parsers.DocumentBuilderFactory.newInstance()
                  .newDocumentBuilder().newDocument() instanceof org.w3c.dom.Document ? "xml" : "";
            } catch (Exception e) { throw new IllegalStateException(e); }
          }
          public dev.quire.api.guest.Workload open(java.util.Map<String, String> options) {
            throw new UnsupportedOperationException();
          }
        }
        """;
    Path jar =
        new TestJar()
            .source("third.Xml", source)
            .service("dev.quire.api.guest.WorkloadFactory", "third.Xml")
            .in(folder, "xml.jar");
    host.launch(List.of(jar));
    assertThat(host.providers(ServiceType.WORKLOAD))
        .extracting(Provider::name)
        .containsExactly("xml");
  }

  @Test
  void bundleThatAsksForTheStandardRegistrarResolves() {
    Path jar =
        TestJar.backend("third.Mine", "mine")
            .bundle("third", "1.2.3", API)
            .header(
                "Require-Capability",
                "osgi.extender;filter:=\"(&(osgi.extender=osgi.serviceloader.registrar)"
                    + "(version>=1.0.0)(!(version>=2.0.0)))\"")
            .in(folder, "third.jar");
    host.launch(List.of(jar));
    assertThat(host.problems()).isEmpty();
    assertThat(backends()).extracting(it -> it.version().toString()).containsExactly("1.2.3");
  }

  @Test
  void signedPlainJarIsTakenWithoutItsSignature() {
    Path jar =
        TestJar.backend("third.Mine", "mine")
            .entry("META-INF/SIGNER.SF", "Signature-Version: 1.0\n".getBytes())
            .entry("META-INF/SIGNER.RSA", new byte[] {1, 2, 3})
            .in(folder, "signed.jar");
    host.launch(List.of(jar));
    assertThat(host.problems()).isEmpty();
    assertThat(backends()).hasSize(1);
  }

  @Test
  void bundleForAnotherApiIsNamedWithWhatItWantsAndWhatThereIs() {
    Path jar =
        TestJar.backend("third.Mine", "mine")
            .bundle("third", "1.0.0", "dev.quire.api.paging;version=\"[2.0,3)\"")
            .in(folder, "future.jar");
    host.launch(List.of(jar));
    assertThat(host.problems())
        .containsExactly(
            jar
                + ": bundle third does not resolve: needs package dev.quire.api.paging of version"
                + " 2.0.0 or later but below 3.0.0, and there is 0.1.0");
  }

  @Test
  void bundleThatNeedsAnUnknownPackageIsNamedWithIt() {
    Path jar =
        TestJar.backend("third.Mine", "mine")
            .bundle("third", "1.0.0", API + ",org.nowhere")
            .in(folder, "lonely.jar");
    host.launch(List.of(jar));
    assertThat(host.problems())
        .containsExactly(
            jar + ": bundle third does not resolve: needs package org.nowhere, and there is none");
  }

  @Test
  void jarWithACopyOfTheApiIsRefused() {
    Path jar =
        TestJar.backend("third.Mine", "mine").copyOf(PagingBackend.class).in(folder, "fat.jar");
    host.launch(List.of(jar));
    assertThat(backends()).isEmpty();
    assertThat(host.problems())
        .singleElement()
        .asString()
        .startsWith(
            jar + ": carries its own copy of the API (dev/quire/api/paging/PagingBackend.class)");
  }

  @Test
  void hiddenCopyOfTheApiIsFoundWhenAProviderImplementsIt() {
    TestJar nested = new TestJar().copyOf(PagingBackend.class).copyOf(PagingBackend.Feature.class);
    Path jar =
        TestJar.backend("third.Mine", "mine")
            .entry("lib/api.jar", nested.bytes())
            .bundle("third", "1.0.0", "dev.quire.api.domain")
            .header("Bundle-ClassPath", ".,lib/api.jar")
            .in(folder, "nested.jar");
    host.launch(List.of(jar));
    assertThat(host.problems())
        .containsExactly(
            jar
                + ": class third.Mine: implements another copy of "
                + BACKEND
                + ", one that is inside the plug-in");
  }

  @Test
  void providersThatCannotBeMadeAreNamedWithTheReason() {
    Path jar =
        new TestJar()
            .source(
                "third.Hidden",
                "package third; public class Hidden implements Runnable {"
                    + " private Hidden() {} public void run() {} }")
            .service(BACKEND, "third.Absent\n# a comment\nthird.Hidden")
            .in(folder, "broken.jar");
    host.launch(List.of(jar));
    assertThat(host.problems())
        .containsExactly(
            jar + ": class third.Absent: declared as a provider, and not in the jar",
            jar + ": class third.Hidden: does not implement " + BACKEND);
  }

  @Test
  void constructorsThatFailOrAreMissingAreNamed() {
    String throwing =
        "package third; public class Throwing extends third.Base { public Throwing() {"
            + " throw new IllegalStateException(\"no licence\"); } }";
    String base =
        "package third; public class Base implements dev.quire.api.domain.HypervisorFactory {"
            + " protected Base() {} public dev.quire.api.domain.Hypervisor create("
            + "dev.quire.api.hw.Machine m) { return null; }"
            + " public dev.quire.api.domain.FrameTable frameTable(long end) { return null; }"
            + throwing.replace("package third; public class", "public static class")
            + "}";
    Path jar =
        new TestJar()
            .source("third.Base", base)
            .service("dev.quire.api.domain.HypervisorFactory", "third.Base\nthird.Base$Throwing")
            .in(folder, "throwing.jar");
    host.launch(List.of(jar));
    assertThat(host.problems())
        .containsExactly(
            jar + ": class third.Base: has no public constructor without parameters",
            jar
                + ": class third.Base$Throwing: cannot be constructed:"
                + " java.lang.IllegalStateException: no licence");
  }

  @Test
  void jarWithoutProvidersIsRefused() {
    Path jar = new TestJar().entry("readme.txt", new byte[] {1}).in(folder, "library.jar");
    host.launch(List.of(jar));
    assertThat(host.problems())
        .singleElement()
        .asString()
        .startsWith(jar + ": neither an OSGi bundle nor a jar that declares a provider");
  }

  @Test
  void fileThatIsNoJarIsRefused() throws IOException {
    Path file = Files.writeString(folder.resolve("text.jar"), "not a jar at all");
    host.launch(List.of(file));
    assertThat(host.problems())
        .singleElement()
        .asString()
        .startsWith(file + ": not a readable jar");
  }

  @Test
  void oneBadJarDoesNotKeepOthersOut() throws IOException {
    Path bad = Files.writeString(folder.resolve("bad.jar"), "");
    Path good = TestJar.backend("third.Mine", "mine").in(folder, "good.jar");
    host.launch(List.of(bad, good));
    assertThat(host.problems()).hasSize(1);
    assertThat(backends()).extracting(Provider::name).containsExactly("mine");
  }

  @Test
  void sameBundleTwiceIsNamed() {
    Path one = TestJar.backend("a.Mine", "a").bundle("third", "1.0.0", API).in(folder, "one.jar");
    Path two = TestJar.backend("b.Mine", "b").bundle("third", "1.0.0", API).in(folder, "two.jar");
    host.launch(List.of(one, two));
    assertThat(host.problems())
        .singleElement()
        .asString()
        .startsWith(two + ": cannot be installed: ")
        .contains("not unique");
  }

  @Test
  void activatorThatFailsIsNamed() {
    String activator =
        "package third; public class Activator implements org.osgi.framework.BundleActivator {"
            + " public void start(org.osgi.framework.BundleContext c) {"
            + " throw new IllegalStateException(\"bad day\"); }"
            + " public void stop(org.osgi.framework.BundleContext c) {} }";
    Path jar =
        new TestJar()
            .source("third.Activator", activator)
            .bundle("third", "1.0.0", "org.osgi.framework")
            .header("Bundle-Activator", "third.Activator")
            .in(folder, "activator.jar");
    host.launch(List.of(jar));
    assertThat(host.problems())
        .containsExactly(jar + ": does not start: java.lang.IllegalStateException: bad day");
  }

  @Test
  void hostsDoNotMeetAndLeaveNothingBehind() {
    Path jar = TestJar.backend("third.Mine", "mine").in(folder, "mine.jar");
    PluginHost other = new PluginHost(ApiManifest.read());
    other.launch(List.of(jar));
    assertThat(other.providers(ServiceType.BACKEND)).hasSize(1);
    assertThat(backends()).isEmpty();
    assertThat(other.cache()).isNotEqualTo(host.cache()).isNotEmptyDirectory();
    other.close();
    assertThat(other.cache()).doesNotExist();
  }
}
