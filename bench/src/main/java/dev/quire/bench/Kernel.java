// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Something that runs a stream in a process of its own and prints {@code name=value} pairs.
 *
 * @param name in the report
 * @param role what it is compared as
 * @param command to be followed by the stream's file and the number of passes
 * @param options that come after these
 */
record Kernel(String name, Role role, List<String> command, List<String> options) {
  /** What a kernel is in a comparison. */
  enum Role {
    /** The least work that gives the same result; cannot take faults. */
    LIMIT,
    /** The machine's model and checks in C. */
    SAME_MODEL,
    /** The machine's model and checks in Java, in one class. */
    FUSED,
    /** The machine through its contracts. */
    MACHINE,
    /** The same where a second dimension is measured, without one. */
    NATIVE
  }

  Kernel {
    command = List.copyOf(command);
    options = List.copyOf(options);
  }

  /** A kernel without options. */
  Kernel(String name, Role role, List<String> command) {
    this(name, role, command, List.of());
  }

  @Override
  public String toString() {
    return name;
  }

  /** A Java kernel: plain flags only. */
  static Kernel java(String name, Role role, Class<?> main, String... options) {
    return new Kernel(name, role, javaCommand("-Xmx1g", main), List.of(options));
  }

  /** What starts a class of ours in a process of its own. */
  static List<String> javaCommand(String heap, Class<?> main) {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    return List.of(java, heap, "-cp", System.getProperty("java.class.path"), main.getName());
  }

  Map<String, String> run(Path stream, int passes) throws IOException, InterruptedException {
    List<String> line = new ArrayList<>(command);
    line.add(stream.toString());
    line.add(Integer.toString(passes));
    line.addAll(options);
    Process process = new ProcessBuilder(line).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException(name + " failed on " + stream.getFileName() + ": " + output.strip());
    }
    Map<String, String> values = new TreeMap<>();
    for (String pair : output.strip().split("\\s+", -1)) {
      int equals = pair.indexOf('=');
      if (equals < 0) {
        throw new IOException(name + " printed what is not a pair: " + output.strip());
      }
      values.put(pair.substring(0, equals), pair.substring(equals + 1));
    }
    return values;
  }
}
