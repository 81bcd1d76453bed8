// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/**
 * Where the recorded traces are: some come with the sources, the rest lie beside them or nowhere.
 */
public final class Traces {
  private Traces() {}

  /** A trace of {@code examples/traces}. */
  public static Path example(String name) {
    Path file = nearest(Path.of("examples", "traces")).resolve(name + ".zst");
    if (!Files.exists(file)) {
      throw new AssertionError(file + " is part of the sources and is missing");
    }
    return file;
  }

  /** Any trace: an example, or one of the full collection, without which the test is skipped. */
  public static Path recorded(String name) {
    Path example = nearest(Path.of("examples", "traces")).resolve(name + ".zst");
    if (Files.exists(example)) {
      return example;
    }
    String set = System.getProperty("quire.shared");
    Path collection =
        set != null ? Path.of(set, "traces") : nearest(Path.of("..", "shared", "traces"));
    Path file = collection.resolve(name + ".zst");
    Assumptions.assumeTrue(Files.exists(file), () -> "the full collection is not here: " + file);
    return file;
  }

  /** {@code path} below this folder or the nearest one above it that has it. */
  private static Path nearest(Path path) {
    Path start = Path.of("").toAbsolutePath();
    for (Path folder = start; folder != null; folder = folder.getParent()) {
      if (Files.isDirectory(folder.resolve(path))) {
        return folder.resolve(path).normalize();
      }
    }
    return start.resolve(path).normalize();
  }
}
