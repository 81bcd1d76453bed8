// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.bench.Kernel.Role;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;

/** What kernels measured on one stream: their times side by side, and whether they agree. */
final class Comparison {
  private final String stream;
  private final Map<Kernel, List<Double>> times = new LinkedHashMap<>();
  private final Map<Kernel, Map<String, String>> values = new LinkedHashMap<>();
  private final List<String> differences = new ArrayList<>();

  Comparison(String stream) {
    this.stream = stream;
  }

  /** Whether a kernel can run the stream. */
  boolean isFor(Kernel kernel) {
    return kernel.role() != Role.LIMIT || !stream.equals("rights");
  }

  void add(Kernel kernel, Map<String, String> measured) {
    times.computeIfAbsent(kernel, k -> new ArrayList<>()).add(number(measured, "ns"));
    values.put(kernel, measured);
    compare(kernel, measured);
  }

  /** What the passes counted must be the same for every kernel that counts it. */
  private void compare(Kernel kernel, Map<String, String> measured) {
    Map.Entry<Kernel, Map<String, String>> first = values.entrySet().iterator().next();
    Map<String, String> common = new TreeMap<>(measured);
    common.keySet().retainAll(first.getValue().keySet());
    common.forEach(
        (name, value) -> {
          String expected = first.getValue().get(name);
          if (name.contains("-") && !value.equals(expected)) {
            differences.add(
                String.format(
                    "%s: %s is %s with %s, %s with %s",
                    stream, name, value, kernel.name(), expected, first.getKey().name()));
          }
        });
  }

  boolean isEqual() {
    return differences.isEmpty();
  }

  void print(PrintStream out) {
    Map<String, String> counted = new TreeMap<>();
    values.values().forEach(counted::putAll);
    out.printf(
        Locale.ROOT,
        "%s: in a pass %s first-level misses, %s second-level misses, %s references, %s faults;"
            + " checksum %s, %s%n",
        stream,
        counted.getOrDefault("steady-l1-misses", "no"),
        counted.getOrDefault("steady-l2-misses", "no"),
        counted.get("steady-references"),
        counted.getOrDefault("steady-faults", "0"),
        counted.get("steady-sum"),
        isEqual() ? "all kernels agree" : "KERNELS DISAGREE");
    differences.stream().distinct().limit(10).forEach(line -> out.println("  " + line));
    out.printf(
        "  %-22s %8s %17s %9s %9s %9s %12s%n",
        "kernel", "ns", "min..max", "/limit", "/same", "/fused", "bytes/access");
    times.keySet().forEach(kernel -> printRow(out, kernel));
  }

  private void printRow(PrintStream out, Kernel kernel) {
    List<Double> sorted = times.getOrDefault(kernel, List.of()).stream().sorted().toList();
    double median = median(kernel);
    out.printf(
        Locale.ROOT,
        "  %-22s %8.3f %8.3f..%7.3f %9s %9s %9s %12s%n",
        kernel.name(),
        median,
        sorted.get(0),
        sorted.get(sorted.size() - 1),
        ratio(median, best(Role.LIMIT)),
        ratio(median, best(Role.SAME_MODEL)),
        ratio(median, best(Role.FUSED)),
        values.getOrDefault(kernel, Map.of()).getOrDefault("bytes", ""));
  }

  private static String ratio(double median, OptionalDouble to) {
    return to.isEmpty() ? "" : String.format(Locale.ROOT, "%.2f", median / to.getAsDouble());
  }

  String stream() {
    return stream;
  }

  /** The fastest kernel of a role by medians, in ns an access; none if none ran. */
  OptionalDouble best(Role role) {
    return times.keySet().stream()
        .filter(kernel -> kernel.role() == role)
        .mapToDouble(this::median)
        .min();
  }

  private double median(Kernel kernel) {
    List<Double> sorted = times.getOrDefault(kernel, List.of()).stream().sorted().toList();
    return sorted.get(sorted.size() / 2);
  }

  private static double number(Map<String, String> measured, String name) {
    String value = measured.get(name);
    if (value == null) {
      throw new IllegalStateException("no " + name + " in " + measured);
    }
    return Double.parseDouble(value);
  }
}
