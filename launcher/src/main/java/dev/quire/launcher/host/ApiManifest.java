// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import dev.quire.api.paging.PagingBackend;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.jar.Attributes;
import java.util.jar.JarInputStream;
import java.util.jar.Manifest;

/**
 * The manifest of the API that the launcher itself is linked to. Its headers are what the framework
 * offers to bundles: read, never written down a second time, so that versions cannot drift apart.
 */
public final class ApiManifest {
  /** The package that all of the API's packages are in. */
  static final String ROOT = "dev.quire.api";

  private final Attributes headers;

  private ApiManifest(Attributes headers) {
    this.headers = headers;
  }

  /** The manifest of the jar, or folder of classes, that the API was loaded from. */
  public static ApiManifest read() {
    Class<?> anchor = PagingBackend.class;
    Path place =
        Path.of(URI.create(anchor.getProtectionDomain().getCodeSource().getLocation().toString()));
    try {
      Manifest manifest = Files.isDirectory(place) ? ofFolder(place) : ofJar(place);
      return new ApiManifest(manifest.getMainAttributes());
    } catch (IOException e) {
      throw new IllegalStateException(place + " has no readable manifest", e);
    }
  }

  private static Manifest ofFolder(Path folder) throws IOException {
    try (InputStream in = Files.newInputStream(folder.resolve("META-INF/MANIFEST.MF"))) {
      return new Manifest(in);
    }
  }

  private static Manifest ofJar(Path jar) throws IOException {
    try (JarInputStream in = new JarInputStream(Files.newInputStream(jar))) {
      Manifest manifest = in.getManifest();
      return manifest == null ? new Manifest() : manifest;
    }
  }

  /** The packages with their versions, as an {@code Export-Package} header. */
  String exports() {
    return header("Export-Package");
  }

  /** The version of Quire. */
  public String version() {
    return header("Bundle-Version");
  }

  private String header(String name) {
    String value = headers.getValue(name);
    if (value == null) {
      throw new IllegalStateException("the API's manifest has no header " + name);
    }
    return value;
  }
}
