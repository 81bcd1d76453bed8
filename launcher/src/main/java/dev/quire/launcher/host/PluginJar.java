// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import dev.quire.api.guest.InputException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;

/**
 * A jar on its way into the framework. A bundle goes in as it is; a plain jar that declares
 * providers gets a bundle manifest, so that its author need not know of OSGi.
 */
final class PluginJar {
  private static final String SERVICES = "META-INF/services/";
  private static final Pattern SIGNATURE = Pattern.compile("META-INF/[^/]+\\.(SF|RSA|DSA|EC)");
  private static final Pattern API_CLASS =
      Pattern.compile(Pattern.quote(ApiManifest.ROOT.replace('.', '/')) + "/.*\\.class");

  /** What a plain jar may see of the Java platform besides {@code java.*}. */
  private static final String PLATFORM = "javax.*,jdk.*,org.w3c.*,org.xml.*";

  private final Path path;

  PluginJar(Path path) {
    this.path = path;
  }

  /** The symbolic name in the jar's manifest, if it is a bundle. */
  Optional<String> symbolicName() {
    try (JarFile jar = open()) {
      return symbolicName(jar.getManifest());
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  /**
   * The bytes to install.
   *
   * @param imports what a plain jar shall import, as an {@code Import-Package} header
   * @throws InputException if this cannot be a plug-in, with the reason
   */
  InputStream content(String imports) {
    try (JarFile jar = open()) {
      refuseCopyOfTheApi(jar);
      if (symbolicName(jar.getManifest()).isPresent()) {
        return Files.newInputStream(path);
      }
      refuseWithoutProviders(jar);
      return new ByteArrayInputStream(withBundleManifest(jar, imports));
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  private JarFile open() throws IOException {
    return new JarFile(path.toFile());
  }

  private InputException unreadable(IOException e) {
    return new InputException(path + ": not a readable jar: " + e.getMessage(), e);
  }

  private static Optional<String> symbolicName(
      @org.jspecify.annotations.Nullable Manifest manifest) {
    return Optional.ofNullable(manifest)
        .map(it -> it.getMainAttributes().getValue("Bundle-SymbolicName"))
        .map(header -> header.split(";", 2)[0].strip());
  }

  private void refuseCopyOfTheApi(JarFile jar) {
    find(jar, name -> API_CLASS.matcher(name).matches())
        .ifPresent(
            name -> {
              throw new InputException(
                  path
                      + ": carries its own copy of the API ("
                      + name
                      + "): its providers would implement other types than Quire's; leave the API"
                      + " out of the jar (Maven: scope provided)");
            });
  }

  private void refuseWithoutProviders(JarFile jar) {
    boolean provides =
        ServiceType.ALL.stream()
            .anyMatch(it -> jar.getEntry(SERVICES + it.type().getName()) != null);
    if (!provides) {
      throw new InputException(
          path
              + ": neither an OSGi bundle nor a jar that declares a provider: there is no file "
              + SERVICES
              + " named after a type of the API");
    }
  }

  private static Optional<String> find(JarFile jar, Predicate<String> wanted) {
    return jar.stream().map(JarEntry::getName).filter(wanted).findFirst();
  }

  private byte[] withBundleManifest(JarFile jar, String imports) throws IOException {
    Manifest manifest = new Manifest();
    Attributes headers = manifest.getMainAttributes();
    if (jar.getManifest() != null) {
      headers.putAll(jar.getManifest().getMainAttributes());
    }
    headers.put(Attributes.Name.MANIFEST_VERSION, "1.0");
    headers.putValue("Bundle-ManifestVersion", "2");
    headers.putValue("Bundle-SymbolicName", nameFromFile());
    headers.putValue("Import-Package", imports);
    headers.putValue("DynamicImport-Package", PLATFORM);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JarOutputStream out = new JarOutputStream(bytes, manifest)) {
      for (Enumeration<JarEntry> entries = jar.entries(); entries.hasMoreElements(); ) {
        copy(jar, entries.nextElement(), out);
      }
    }
    return bytes.toByteArray();
  }

  private String nameFromFile() {
    String file = path.getFileName().toString();
    return file.replaceFirst("\\.jar$", "").replaceAll("[^A-Za-z0-9_.-]", "-");
  }

  /** All but the old manifest and the signatures, which no longer hold. */
  private static void copy(JarFile jar, JarEntry entry, JarOutputStream out) throws IOException {
    String name = entry.getName();
    if (name.equals(JarFile.MANIFEST_NAME) || SIGNATURE.matcher(name).matches()) {
      return;
    }
    out.putNextEntry(new ZipEntry(name));
    try (InputStream in = jar.getInputStream(entry)) {
      in.transferTo(out);
    }
  }
}
