// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.bench.Kernel.Role;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;

/** The kernels in C, compiled here and now. */
final class CKernels {
  private static final List<String> SOURCES =
      List.of(
          "stream.h",
          "cache.h",
          "memory.h",
          "rules.h",
          "second.h",
          "limit.c",
          "same.c",
          "nested.c");

  /** A kernel's name, its role, and how its source is compiled. */
  private record Variant(String name, Role role, String source, List<String> options) {}

  private static final List<Variant> VARIANTS =
      List.of(
          new Variant("limit", Role.LIMIT, "limit.c", List.of()),
          new Variant("limit, prefetch", Role.LIMIT, "limit.c", List.of("-DPREFETCH")),
          new Variant("same model", Role.SAME_MODEL, "same.c", List.of()),
          new Variant("same model, prefetch", Role.SAME_MODEL, "same.c", List.of("-DPREFETCH")));

  private static final List<Variant> IN_TWO_DIMENSIONS =
      List.of(
          new Variant("limit", Role.LIMIT, "limit.c", List.of("-DNESTED")),
          new Variant("limit, prefetch", Role.LIMIT, "limit.c", List.of("-DNESTED", "-DPREFETCH")));

  private static final List<Variant> UNCACHED_IN_TWO_DIMENSIONS =
      List.of(new Variant("limit", Role.LIMIT, "nested.c", List.of()));

  private CKernels() {}

  /** The kernels, or none where there is no C compiler. */
  static List<Kernel> compile(Path directory) throws IOException, InterruptedException {
    return compile(directory, "", VARIANTS);
  }

  /** The kernels that walk in two dimensions, or none where there is no C compiler. */
  static List<Kernel> compileNested(Path directory) throws IOException, InterruptedException {
    return compile(directory, "nested-", IN_TWO_DIMENSIONS);
  }

  /** The same without caches, 24 references a walk. */
  static List<Kernel> compileNestedUncached(Path directory)
      throws IOException, InterruptedException {
    return compile(directory, "nested-uncached-", UNCACHED_IN_TWO_DIMENSIONS);
  }

  private static List<Kernel> compile(Path directory, String prefix, List<Variant> variants)
      throws IOException, InterruptedException {
    if (!exists("cc")) {
      return List.of();
    }
    for (String source : SOURCES) {
      try (InputStream in = CKernels.class.getResourceAsStream("c/" + source)) {
        Files.copy(
            java.util.Objects.requireNonNull(in, source),
            directory.resolve(source),
            StandardCopyOption.REPLACE_EXISTING);
      }
    }
    List<Kernel> kernels = new ArrayList<>();
    for (Variant variant : variants) {
      Path program = directory.resolve(prefix + variant.name.replaceAll("[^a-z]+", "-"));
      List<String> line = new ArrayList<>(List.of("cc", "-O3", "-march=native"));
      line.addAll(variant.options);
      line.addAll(List.of(directory.resolve(variant.source).toString(), "-o", program.toString()));
      Process process = new ProcessBuilder(line).redirectErrorStream(true).start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (process.waitFor() != 0) {
        throw new IOException("cc does not compile " + variant.source + ": " + output);
      }
      kernels.add(new Kernel(variant.name, variant.role, List.of(program.toString())));
    }
    return kernels;
  }

  private static boolean exists(String compiler) throws InterruptedException {
    try {
      return new ProcessBuilder(compiler, "--version")
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }
}
