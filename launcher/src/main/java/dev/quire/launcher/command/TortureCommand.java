// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.launcher.config.Settings;
import dev.quire.launcher.run.Home;
import dev.quire.launcher.run.Launch;
import dev.quire.launcher.torture.HvmTorture;
import dev.quire.launcher.torture.PvTorture;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "torture",
    description = {
      "Random guest programs under several backends, every access judged by an oracle that knows what"
          + " a CPU may have cached; or, with --pv, random hypercalls and stores of two Xen PV"
          + " domains, one of which has power over the other.",
      "A failure is told with as few operations as still show it. Exit code 1 if there was one."
    },
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class TortureCommand implements Callable<Integer> {
  private static final long TELL_EVERY = 1_000_000;

  @Spec private CommandSpec spec;

  @Option(names = "--pv", description = "PV domains.")
  private boolean pv;

  @Option(
      names = "--paging",
      paramLabel = "BACKEND",
      split = ",",
      description = {
        "HVM guests under these backends, all with the same programs. Options stand behind a name:",
        "native,shadow,shadow:oos=off,hap-npt,hap-ept. With --pv: the one that PV domains are under."
      })
  private List<String> backends = List.of();

  @Option(
      names = {"--ops", "--steps"},
      paramLabel = "N",
      defaultValue = "10000000",
      description = "How many operations (default: ${DEFAULT-VALUE}).")
  private long operations;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "The same seed makes the same operations (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--vcpus",
      paramLabel = "N",
      defaultValue = "2",
      description = "How many vCPUs an HVM guest has (default: ${DEFAULT-VALUE}).")
  private int vcpus;

  @Option(
      names = "--exact",
      description =
          "HVM guests invalidate all that they change: what they see is what their tables say.")
  private boolean exact;

  @Option(
      names = "--swap-every",
      paramLabel = "N",
      description = {
        "With --pv: beside the domains run others that go to the backend shadow and back after each N",
        "steps, with the dirty log on while they are there; they must see the same."
      })
  private int swapEvery;

  @Option(
      names = "--program",
      paramLabel = "FILE",
      description = "Runs a program that a failure was told with instead of random ones.")
  private @Nullable Path program;

  @Override
  public Integer call() {
    refuseWhatDoesNotGoTogether();
    try (Launch launch = Launch.openAll(Home.fromProperty(), Settings.read(null, List.of()))) {
      return (pv ? ofPv(launch) : ofHvm(launch)) ? 0 : Failures.DIFFERED;
    }
  }

  private void refuseWhatDoesNotGoTogether() {
    CommandLine line = spec.commandLine();
    if (!pv && backends.isEmpty()) {
      throw new CommandLine.ParameterException(line, "--pv or --paging is wanted");
    }
    if (pv && backends.size() > (swapEvery == 0 ? 1 : 0)) {
      throw new CommandLine.ParameterException(
          line, "--pv goes with one backend, and with --swap-every none is named");
    }
    if (swapEvery < 0 || !pv && swapEvery != 0) {
      throw new CommandLine.ParameterException(
          line, "--swap-every goes with --pv, and is positive");
    }
    if (pv && (exact || program != null)) {
      throw new CommandLine.ParameterException(line, "--exact and --program go with --paging");
    }
    if (vcpus < 1 || vcpus > 16 || operations < 1) {
      throw new CommandLine.ParameterException(
          line, "--vcpus is 1 to 16, --ops at least 1: not " + vcpus + " and " + operations);
    }
  }

  private boolean ofPv(Launch launch) {
    String under = backends.isEmpty() ? "pv" : backends.get(0);
    PvTorture.Findings findings =
        launch.pvTorture(under, seed, swapEvery).run(operations, this::tell);
    findings.failure().forEach(out()::println);
    count("", findings.counts());
    return conclude(findings.failure().isEmpty(), findings.steps());
  }

  private boolean ofHvm(Launch launch) {
    HvmTorture torture = launch.hvmTorture(backends);
    HvmTorture.Findings findings =
        program != null
            ? torture.run(program)
            : torture.run(seed, operations, vcpus, exact, this::tell);
    findings.failure().forEach(out()::println);
    findings.counts().forEach((backend, counts) -> count(backend + ": ", counts));
    return conclude(findings.failure().isEmpty(), findings.operations());
  }

  private PrintWriter out() {
    return spec.commandLine().getOut();
  }

  private void tell(long done) {
    if (done % TELL_EVERY == 0) {
      out().printf(Locale.ROOT, "%,d operations%n", done);
      out().flush();
    }
  }

  private void count(String of, Map<String, Long> counts) {
    counts.forEach((name, count) -> out().printf(Locale.ROOT, "%-52s %,d%n", of + name, count));
  }

  private boolean conclude(boolean sound, long done) {
    String what = sound ? "no failure" : "a failure";
    out().printf(Locale.ROOT, "RESULT  %s in %,d operations, seed %d%n", what, done, seed);
    out().flush();
    return sound;
  }
}
