// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardLocation;
import javax.tools.ToolProvider;

/**
 * Builds jars as third parties do: source in, compiled against the API, a service file beside it.
 */
public final class TestJar {
  private final Map<String, byte[]> entries = new LinkedHashMap<>();
  private final Manifest manifest = new Manifest();

  /** An empty jar. */
  public TestJar() {
    manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
  }

  /** A plain jar with a backend that does nothing but have a name. */
  public static TestJar backend(String className, String name) {
    return provider("dev.quire.api.paging.PagingBackend", PluginSources.BACKEND, className, name);
  }

  /** A plain jar with a workload that makes a few accesses, and differs as often as it is told. */
  public static TestJar workload(String className, String name) {
    return provider("dev.quire.api.guest.WorkloadFactory", PluginSources.WORKLOAD, className, name);
  }

  /** A plain jar with a translation cache that remembers nothing. */
  public static TestJar cache(String className, String name) {
    return provider(
        "dev.quire.api.hw.TranslationCacheFactory", PluginSources.CACHE, className, name);
  }

  private static TestJar provider(String type, String template, String className, String name) {
    return new TestJar()
        .source(className, PluginSources.of(template, className, name))
        .service(type, className);
  }

  /** Compiles one public class against the class path of the test. */
  public TestJar source(String className, String source) {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter messages = new StringWriter();
    try (var standard = compiler.getStandardFileManager(null, null, null)) {
      Path classes = Files.createTempDirectory("quire-test-classes");
      standard.setLocationFromPaths(StandardLocation.CLASS_OUTPUT, List.of(classes));
      var unit = new Source(className, source);
      List<String> options = List.of("-proc:none", "--release", "17", "-Xlint:none");
      if (!compiler.getTask(messages, standard, null, options, null, List.of(unit)).call()) {
        throw new IllegalArgumentException(messages.toString());
      }
      try (Stream<Path> files = Files.walk(classes)) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          String name = classes.relativize(file).toString().replace('\\', '/');
          entries.put(name, Files.readAllBytes(file));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return this;
  }

  /** Declares a provider. */
  public TestJar service(String type, String className) {
    return entry("META-INF/services/" + type, (className + "\n").getBytes());
  }

  /** Adds a file. */
  public TestJar entry(String name, byte[] content) {
    entries.put(name, content);
    return this;
  }

  /** Adds a class of the class path as it is. */
  public TestJar copyOf(Class<?> type) {
    String name = type.getName().replace('.', '/') + ".class";
    try (var in = type.getClassLoader().getResourceAsStream(name)) {
      return entry(name, in.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Adds a header to the manifest. */
  public TestJar header(String name, String value) {
    manifest.getMainAttributes().putValue(name, value);
    return this;
  }

  /** Makes it an OSGi bundle. */
  public TestJar bundle(String symbolicName, String version, String imports) {
    header("Bundle-ManifestVersion", "2");
    header("Bundle-SymbolicName", symbolicName);
    header("Bundle-Version", version);
    return imports.isEmpty() ? this : header("Import-Package", imports);
  }

  /** The jar's bytes. */
  public byte[] bytes() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    write(bytes);
    return bytes.toByteArray();
  }

  /** Writes the jar to a file. */
  public Path in(Path folder, String file) {
    Path jar = folder.resolve(file);
    try (OutputStream out = Files.newOutputStream(jar)) {
      write(out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return jar;
  }

  private void write(OutputStream to) {
    try (JarOutputStream out = new JarOutputStream(to, manifest)) {
      for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
        out.putNextEntry(new ZipEntry(entry.getKey()));
        out.write(entry.getValue());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static final class Source extends SimpleJavaFileObject {
    private final String text;

    Source(String className, String text) {
      super(
          URI.create("string:///" + className.replace('.', '/') + ".java"),
          JavaFileObject.Kind.SOURCE);
      this.text = text;
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return text;
    }
  }
}
