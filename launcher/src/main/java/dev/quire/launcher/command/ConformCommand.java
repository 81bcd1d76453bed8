// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.api.guest.InputException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.launcher.config.Assignment;
import dev.quire.launcher.config.Settings;
import dev.quire.launcher.conform.AccessMatrix;
import dev.quire.launcher.conform.Conformance;
import dev.quire.launcher.conform.Conformance.Result;
import dev.quire.launcher.report.ConformTable;
import dev.quire.launcher.report.Progress;
import dev.quire.launcher.run.Home;
import dev.quire.launcher.run.Launch;
import dev.quire.launcher.xen.XenRecords;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "conform",
    description = {
      "Checks the machine's walker against recorded vectors, and PV guests' hypercalls against"
          + " recorded ones of a real Xen.",
      "Exit code 0 only if every vector passed: one that was skipped has not passed."
    },
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ConformCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(
      arity = "0..*",
      paramLabel = "FILE",
      description = "Vectors, or hypercalls (JSON Lines, zstd or gzip or not).")
  private List<Path> files = List.of();

  @Option(
      names = "--paging",
      paramLabel = "BACKEND",
      split = ",",
      description = {
        "Tries each vector in a guest under these backends instead of on a bare machine:",
        "what the guest sees, and its A and D bits, must be as recorded."
      })
  private List<String> backends = List.of();

  @Option(
      names = "--matrix",
      description = {
        "Tries, instead of files, every combination of the flags of entries, CPU and access in",
        "guests under the backends of --paging: all must see what the first one does."
      })
  private boolean matrix;

  @Option(
      names = "--every",
      paramLabel = "N",
      defaultValue = "1",
      description = "Only every N-th state of the matrix (default: ${DEFAULT-VALUE}).")
  private int every;

  @Option(
      names = "--show",
      paramLabel = "N",
      defaultValue = "3",
      description = "How many failures of a file are explained (default: ${DEFAULT-VALUE}).")
  private int shown;

  @Mixin private Overrides overrides;

  @Override
  public Integer call() {
    refuseWhatVectorsSay(overrides.all());
    Settings settings = Settings.read(null, overrides.all());
    refuseWhatDoesNotGoTogether();
    try (Launch launch = Launch.openAll(Home.fromProperty(), settings)) {
      return (matrix ? matrix(launch) : files(launch)) ? 0 : Failures.DIFFERED;
    }
  }

  private void refuseWhatDoesNotGoTogether() {
    CommandLine line = spec.commandLine();
    if (matrix == !files.isEmpty()) {
      throw new CommandLine.ParameterException(line, "a FILE or --matrix is wanted");
    }
    if (every < 1 || every > 1 && !matrix) {
      throw new CommandLine.ParameterException(line, "--every goes with --matrix, from 1 on");
    }
    if (matrix && backends.size() < 2) {
      throw new CommandLine.ParameterException(line, "--matrix compares two backends or more");
    }
  }

  private boolean matrix(Launch launch) {
    AccessMatrix states =
        new AccessMatrix(
            launch.machines(),
            launch.hypervisors(),
            backends.stream().map(launch::backend).toList(),
            shown);
    Map<String, Result> results =
        Progress.watch(
            spec.commandLine().getErr(), "matrix", progress -> states.check(every, progress));
    ConformTable table = new ConformTable(spec.commandLine().getOut(), backends);
    results.forEach(table::add);
    table.total();
    return results.values().stream().allMatch(Result::isClean);
  }

  private boolean files(Launch launch) {
    boolean clean = true;
    Map<String, Supplier<Conformance>> places = places(launch);
    ConformTable table = new ConformTable(spec.commandLine().getOut(), rows(places.keySet()));
    for (Path file : files) {
      if (XenRecords.isHypercalls(file)) {
        clean &= launch.xenRecords().conform(file, spec.commandLine().getOut(), shown);
        continue;
      }
      for (Map.Entry<String, Supplier<Conformance>> place : places.entrySet()) {
        clean &= check(file, place.getKey(), place.getValue().get(), table);
      }
    }
    table.total();
    return clean;
  }

  /** Where vectors are tried, anew for each file: what they took is given back. */
  private Map<String, Supplier<Conformance>> places(Launch launch) {
    Map<String, Supplier<Conformance>> places = new LinkedHashMap<>();
    if (backends.isEmpty()) {
      places.put("", () -> Conformance.ofMachines(launch.machines(), shown));
    }
    for (String name : backends) {
      PagingBackend backend = launch.backend(name);
      if (backend.features().contains(PagingBackend.Feature.IDENTITY)) {
        throw new InputException(
            "--paging "
                + name
                + ": vectors lie all over memory, and this backend moves none of it; without"
                + " --paging they are tried on the bare machine");
      }
      places.put(
          name,
          () -> Conformance.ofBackend(launch.machines(), launch.hypervisors(), backend, shown));
    }
    return places;
  }

  private List<String> rows(Set<String> places) {
    return files.stream().flatMap(file -> places.stream().map(it -> row(file, it))).toList();
  }

  private static String row(Path file, String place) {
    String name = String.valueOf(file.getFileName());
    return place.isEmpty() ? name : name + ", " + place;
  }

  private boolean check(Path file, String place, Conformance conformance, ConformTable table) {
    Result result =
        Progress.watch(
            spec.commandLine().getErr(),
            row(file, place),
            progress -> conformance.check(file, progress));
    table.add(row(file, place), result);
    return result.isClean();
  }

  /** A vector brings its own machine and needs no guest: keys about them would have no effect. */
  private static void refuseWhatVectorsSay(List<Assignment> assignments) {
    for (Assignment assignment : assignments) {
      if (!assignment.key().startsWith("plugins") && !assignment.key().startsWith("bundles")) {
        throw new InputException(
            assignment.origin() + ": no effect on conform, each vector says what its machine is");
      }
    }
  }
}
