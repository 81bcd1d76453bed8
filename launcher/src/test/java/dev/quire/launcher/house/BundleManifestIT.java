// SPDX-License-Identifier: Apache-2.0

package dev.quire.launcher.house;

import static org.assertj.core.api.Assertions.assertThat;

import aQute.bnd.header.Attrs;
import aQute.bnd.header.OSGiHeader;
import aQute.bnd.header.Parameters;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.osgi.framework.Constants;

/** What the jars of the distribution ask for and offer, read from their manifests. */
class BundleManifestIT {
  private static final Path HOME = Path.of(System.getProperty("quire.home"));
  private static final String API = "dev.quire.api.";
  private static final List<String> ANNOTATIONS = List.of("org.jspecify.", "org.checkerframework.");

  static List<Path> bundles() throws IOException {
    return jars("bundles", "*.jar");
  }

  static Stream<Path> bundlesAndApi() throws IOException {
    return Stream.concat(bundles().stream(), jars("lib", "quire-api-*.jar").stream());
  }

  @Test
  void distributionHoldsTheBundlesAndOneApi() throws IOException {
    assertThat(bundles())
        .extracting(jar -> jar.getFileName().toString().replaceAll("-\\d.*", ""))
        .contains("quire-hw-x86", "quire-hypervisor", "quire-paging-pv", "quire-guest")
        .doesNotContain("quire-api");
    assertThat(jars("lib", "quire-api-*.jar")).hasSize(1);
  }

  @ParameterizedTest
  @MethodSource("bundlesAndApi")
  void importsAreJavaOrApi(Path jar) throws IOException {
    Parameters imports = header(jar, Constants.IMPORT_PACKAGE);
    assertThat(imports.keySet()).isNotEmpty();
    imports.forEach(
        (name, attributes) ->
            assertThat(name)
                .matches(
                    n -> n.startsWith("java.") || n.startsWith(API) || optional(n, attributes),
                    "java.*, " + API + "* or an optional annotation package"));
  }

  @ParameterizedTest
  @MethodSource("bundles")
  void bundleIsMetThroughServicesOnly(Path jar) throws IOException {
    assertThat(header(jar, Constants.BUNDLE_SYMBOLICNAME).keySet())
        .singleElement()
        .asString()
        .startsWith("dev.quire.");
    assertThat(header(jar, Constants.EXPORT_PACKAGE).keySet()).isEmpty();
    assertThat(header(jar, Constants.REQUIRE_BUNDLE).keySet()).isEmpty();
    assertThat(header(jar, Constants.DYNAMICIMPORT_PACKAGE).keySet()).isEmpty();
  }

  @Test
  void apiExportsEachOfItsPackagesWithAVersion() throws IOException {
    Path api = jars("lib", "quire-api-*.jar").get(0);
    Parameters exports = header(api, Constants.EXPORT_PACKAGE);
    try (JarFile jar = new JarFile(api.toFile())) {
      List<String> packages =
          jar.stream()
              .map(entry -> entry.getName())
              .filter(name -> name.endsWith(".class"))
              .map(name -> name.substring(0, name.lastIndexOf('/')).replace('/', '.'))
              .distinct()
              .toList();
      assertThat(exports.keySet()).containsExactlyInAnyOrderElementsOf(packages);
    }
    assertThat(exports.values()).allSatisfy(a -> assertThat(a.getVersion()).isNotNull());
  }

  private static boolean optional(String name, Attrs attributes) {
    return ANNOTATIONS.stream().anyMatch(name::startsWith)
        && Constants.RESOLUTION_OPTIONAL.equals(
            attributes.get(Constants.RESOLUTION_DIRECTIVE + ":"));
  }

  private static List<Path> jars(String folder, String glob) throws IOException {
    try (Stream<Path> found = Files.list(HOME.resolve(folder))) {
      var matcher = HOME.getFileSystem().getPathMatcher("glob:" + glob);
      return found.filter(jar -> matcher.matches(jar.getFileName())).sorted().toList();
    }
  }

  private static Parameters header(Path jar, String name) throws IOException {
    try (JarFile file = new JarFile(jar.toFile())) {
      return OSGiHeader.parseHeader(file.getManifest().getMainAttributes().getValue(name));
    }
  }
}
