// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import dev.quire.api.guest.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/** A folder of jars: the distribution's {@code bundles/}, or {@code plugins/}. */
public final class BundleFolder {
  private final Path folder;

  /** The folder need not exist; it is then empty. */
  public BundleFolder(Path folder) {
    this.folder = folder;
  }

  /** Every jar in it, by name. */
  public List<Path> jars() {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(it -> it.getFileName().toString().endsWith(".jar")).sorted().toList();
    } catch (IOException e) {
      throw new InputException(folder + ": cannot be listed: " + e.getMessage(), e);
    }
  }

  /** The bundles in it, by symbolic name; of several versions the one whose file sorts last. */
  public Map<String, Path> bundles() {
    Map<String, Path> bundles = new TreeMap<>();
    for (Path jar : jars()) {
      Optional<String> name = new PluginJar(jar).symbolicName();
      name.ifPresent(it -> bundles.put(it, jar));
    }
    return bundles;
  }
}
