// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.dist;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The assembled distribution, started as users start it. */
final class Distribution {
  private static final long TIMEOUT_SECONDS = 3600;

  private final Path home;

  private Distribution(Path home) {
    this.home = home;
  }

  /** What the build assembled; not to be changed. */
  static Distribution assembled() {
    return new Distribution(Path.of(System.getProperty("quire.home")));
  }

  /** A copy of it in which a test may put plug-ins. */
  static Distribution copy(Path folder) throws IOException {
    Path from = assembled().home;
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path to = folder.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(to);
        } else {
          Files.copy(file, to, java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
        }
      }
    }
    return new Distribution(folder);
  }

  Path plugins() {
    return home.resolve("plugins");
  }

  Path bundles() {
    return home.resolve("bundles");
  }

  Path examples() {
    return home.resolve("examples");
  }

  /**
   * How a command ended.
   *
   * @param code its exit code
   * @param out what it printed
   * @param err what it printed as errors
   */
  record Ended(int code, String out, String err) {}

  /** Runs {@code bin/quire} in a folder, which is also where temporary files go. */
  Ended run(Path where, String... arguments) throws IOException, InterruptedException {
    return runScript("bin/quire", where, arguments);
  }

  /** Runs a script of the distribution in a folder. */
  Ended runScript(String script, Path where, String... arguments)
      throws IOException, InterruptedException {
    Path out = Files.createTempFile("quire-out", ".txt");
    Path err = Files.createTempFile("quire-err", ".txt");
    Process process =
        command(script, where, arguments)
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    try {
      if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        throw new IllegalStateException("does not end: " + List.of(arguments));
      }
      return new Ended(process.exitValue(), read(out), read(err));
    } finally {
      process.destroyForcibly();
      Files.delete(out);
      Files.delete(err);
    }
  }

  /** Starts {@code bin/quire} in a folder and does not wait. */
  Process start(Path where, String... arguments) throws IOException {
    return command("bin/quire", where, arguments)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  private ProcessBuilder command(String script, Path where, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(home.resolve(script).toString());
    command.addAll(List.of(arguments));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(where.toFile())
            .redirectInput(new java.io.File("/dev/null"));
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    String options = "-Djava.io.tmpdir=" + where + " " + System.getProperty("quire.opts", "");
    builder.environment().put("QUIRE_OPTS", options);
    return builder;
  }

  /** Whether there is nothing in a folder. */
  static boolean isEmpty(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.findAny().isEmpty();
    }
  }

  private static String read(Path file) throws IOException {
    return Files.readString(file, StandardCharsets.UTF_8);
  }
}
