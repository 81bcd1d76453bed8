// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.launcher.torture.GuestProgram.Plan;
import dev.quire.launcher.torture.VcpuHistory.RulesCache;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Has guests under several backends run the same random programs, operation by operation, and an
 * oracle judge what each of them sees. A failure is told with the shortest program that was found
 * to show it.
 */
public final class HvmTorture {
  /** Operations of a program; then the guests begin anew. */
  private static final int LIFE = 2_000;

  /** So many programs on the same machines, whose caches are never emptied by hand. */
  private static final int GENERATION = 200;

  private static final int AUDIT_EVERY = 500;

  private final MachineFactory machines;
  private final HypervisorFactory hypervisors;
  private final List<PagingBackend> backends;
  private final List<String> names;
  private final Map<String, TortureCounts> counts = new LinkedHashMap<>();

  /**
   * Guests under several backends.
   *
   * @param backends by the names that they shall be told by, in order
   */
  public HvmTorture(
      MachineFactory machines, HypervisorFactory hypervisors, Map<String, PagingBackend> backends) {
    this.machines = machines;
    this.hypervisors = hypervisors;
    this.backends = List.copyOf(backends.values());
    names = List.copyOf(backends.keySet());
    names.forEach(name -> counts.put(name, new TortureCounts()));
  }

  /**
   * What came of it.
   *
   * @param operations that were made
   * @param failure what is wrong, with the program that leads to it; empty if nothing is
   * @param counts what outcomes there were, by backend
   */
  public record Findings(
      long operations, List<String> failure, Map<String, Map<String, Long>> counts) {}

  /**
   * Runs random programs.
   *
   * @param seed of all of them
   * @param operations how many in all
   * @param vcpus of each guest
   * @param exact whether programs invalidate whatever they change
   * @param progress told how many operations were made, now and then
   */
  public Findings run(long seed, long operations, int vcpus, boolean exact, LongConsumer progress) {
    long done = 0;
    for (long generation = 0; done < operations; generation++) {
      int cpus = generation % 2 == 0 ? vcpus : Math.max(1, vcpus / 2);
      Plan plan = new Plan(vcpus, cpus, generation % 4 < 2 ? 0 : 9, exact);
      ProgramSource source = new ProgramSource(plan, seed * 0x9e3779b97f4a7c15L + generation);
      List<TortureGuest> guests = guests(plan);
      List<List<GuestOperation>> lives = new ArrayList<>();
      for (int life = 0; life < GENERATION && done < operations; life++) {
        lives.add(List.copyOf(source.next((int) Math.min(LIFE, operations - done))));
        int wrong = live(guests, new GuestProgram(plan, lives.get(life)), AUDIT_EVERY);
        if (wrong >= 0) {
          lives.set(life, lives.get(life).subList(0, wrong));
          return findings(done + wrong, shrunk(plan, lives));
        }
        done += lives.get(life).size();
        progress.accept(done);
      }
    }
    return findings(done, List.of());
  }

  /**
   * Runs one program.
   *
   * @param file as a failure was told
   * @throws dev.quire.api.guest.InputException if it is none
   */
  public Findings run(Path file) {
    GuestProgram program = ProgramText.read(file);
    int wrong = live(guests(program.plan()), program, 1);
    return findings(program.operations().size(), wrong < 0 ? List.of() : told(program, failure));
  }

  private Findings findings(long operations, List<String> failure) {
    Map<String, Map<String, Long>> all = new LinkedHashMap<>();
    counts.forEach((name, each) -> all.put(name, each.all()));
    return new Findings(operations, failure, all);
  }

  private List<TortureGuest> guests(Plan plan) {
    return backends.stream()
        .map(backend -> new TortureGuest(machines, hypervisors, backend, plan))
        .toList();
  }

  // ---- one program ----

  /** What was wrong last. */
  private @Nullable String failure;

  /** Programs are run again; what they do was counted already. */
  private boolean shrinking;

  private TortureCounts counts(int backend) {
    return counts.computeIfAbsent(names.get(backend), name -> new TortureCounts());
  }

  /**
   * Runs a program in all guests.
   *
   * @return how many operations were made until something was wrong; -1 if nothing was
   */
  private int live(List<TortureGuest> guests, GuestProgram program, int auditEvery) {
    long[][] content = TortureLayout.frames();
    List<Oracle> oracles = new ArrayList<>();
    for (int i = 0; i < guests.size(); i++) {
      TortureGuest guest = guests.get(i);
      guest.begin(content);
      oracles.add(
          new Oracle(
              guest,
              program.plan(),
              content,
              new RulesCache(guest.profile()),
              shrinking ? new TortureCounts() : counts(i)));
    }
    List<GuestOperation> operations = program.operations();
    for (int at = 0; at < operations.size(); at++) {
      boolean audits = at == operations.size() - 1 || at % auditEvery == auditEvery - 1;
      for (int i = 0; i < guests.size(); i++) {
        String wrong = step(guests.get(i), oracles.get(i), operations.get(at), audits);
        if (wrong != null) {
          failure = names.get(i) + ": " + wrong;
          return at + 1;
        }
      }
    }
    failure = null;
    return -1;
  }

  private static @Nullable String step(
      TortureGuest guest, Oracle oracle, GuestOperation operation, boolean audits) {
    try {
      guest.perform(operation);
      String wrong = oracle.judge(operation);
      return wrong == null && audits ? oracle.audit() : wrong;
    } catch (RuntimeException thrown) {
      return "an exception of the host's: " + thrown;
    }
  }

  // ---- a failure ----

  private List<String> shrunk(Plan plan, List<List<GuestOperation>> lives) {
    String first = failure;
    shrinking = true;
    List<GuestOperation> failing = lives.get(lives.size() - 1);
    GuestProgram program = new GuestProgram(plan, failing);
    if (!fails(program)) {
      List<String> told = told(program, first);
      told.add(
          "# not on machines that begin with this program: life " + lives.size() + " on the same");
      return told;
    }
    List<GuestOperation> least = Shrinker.shrink(failing, fewer -> fails(program.with(fewer)));
    GuestProgram shortest = program.with(least);
    fails(shortest);
    return told(shortest, failure);
  }

  private boolean fails(GuestProgram program) {
    int auditEvery = program.operations().size() > 64 ? AUDIT_EVERY : 1;
    return live(guests(program.plan()), program, auditEvery) >= 0;
  }

  private static List<String> told(GuestProgram program, @Nullable String wrong) {
    List<String> told = new ArrayList<>(program.lines());
    told.add("# " + wrong);
    return told;
  }
}
