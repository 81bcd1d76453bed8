// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.guest.InputException;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;

/**
 * Disturbs a guest as a plan says: who runs its operations asks {@link #before} how far to go, says
 * what was done in {@link #after}, and says beforehand what devices will write. After each
 * disturbance everything is audited.
 */
public final class Disturber {
  private final Random random;
  private final GuestMemory memory;
  private final Findings findings;
  private final LogDirtyRounds log;
  private final VramTracking vram;
  private final Balloon balloon;
  private final BackendSwaps swaps;
  private final Audit audit;
  private final BitmapChecks checks;
  private final List<Disturbance> kinds;
  private final Map<String, Long> counts = new LinkedHashMap<>();
  private final Turns disturbances;
  private final Turns swapTurns;
  private final Turns auditTurns;

  /**
   * For one run of a guest.
   *
   * @param findings receives a sentence for each thing that should not be
   * @throws InputException if the plan cannot be carried out on this domain
   */
  public Disturber(
      DisturbPlan plan, Domain domain, Toolstack toolstack, Consumer<String> findings) {
    this.random = new Random(plan.seed());
    this.findings = new Findings(findings);
    memory = new GuestMemory(domain);
    checks = new BitmapChecks(this.findings);
    TypeUse types = new TypeUse();
    log = new LogDirtyRounds(memory, this.findings, checks, types);
    vram = new VramTracking(memory, this.findings, types);
    balloon = new Balloon(memory, this.findings);
    swaps = new BackendSwaps(memory, balloon, toolstack, plan.among(), this.findings);
    audit = new Audit(domain, this.findings);
    kinds =
        List.of(
            log,
            vram,
            new TypeChanges(memory, this.findings, log, vram, types),
            new SuperpageSplits(memory, this.findings),
            balloon,
            new Remapping(memory, this.findings, balloon),
            swaps);
    kinds.forEach(kind -> counts.put(kind.title(), 0L));
    if (plan.swapEvery() > 0 && swaps.names().size() < 2) {
      throw new InputException(
          "swap-every: there are no two backends that can serve this domain; there are: "
              + swaps.names());
    }
    disturbances = Turns.about(plan.every(), random);
    swapTurns = Turns.about(plan.swapEvery(), random);
    auditTurns = Turns.exactly(plan.auditEvery());
  }

  // ---- around the guest's operations ----

  /**
   * Operations are about to run.
   *
   * @param reach the guest-physical address that each will reach; negative for none
   * @param from the first of them
   * @param to behind the last
   * @return behind the last that may run before {@link #after} is called
   */
  public int before(long[] reach, int from, int to) {
    long room = Math.min(Math.min(disturbances.left(), swapTurns.left()), auditTurns.left());
    int end = (int) Math.min(to - from, room) + from;
    for (int i = from; i < end && balloon.isInflated(); i++) {
      if (reach[i] >= 0) {
        needs(Addresses.gpaToGfn(Addresses.gpa(reach[i])));
      }
    }
    return end;
  }

  /** A device, or a register write, is about to use a frame. */
  private void needs(@Gfn long gfn) {
    if (balloon.isOut(gfn)) {
      balloon.giveBack(gfn);
    }
  }

  /** A device is about to write to a frame. */
  public void deviceWrites(@Gfn long gfn) {
    needs(gfn);
    wrote(gfn);
  }

  /** A frame is about to become a page table. */
  public void announces(@Gfn long gfn) {
    deviceWrites(gfn);
    memory.table(gfn);
  }

  /**
   * Operations have run, and the vCPU is at a safe point.
   *
   * @return whether anything was done, so that what was known of the p2m is void
   */
  public boolean after(OperationBlock block, long[] reach, int from, int to) {
    note(block.operations(), reach, from, to);
    boolean disturbs = disturbances.isNext(to - from);
    if (disturbs) {
      disturb();
    }
    boolean swapsNow = swapTurns.isNext(to - from);
    if (swapsNow) {
      happen(swaps);
    }
    if (auditTurns.isNext(to - from)) {
      audit.backend();
    }
    return disturbs || swapsNow;
  }

  private void note(long[] operations, long[] reach, int from, int to) {
    boolean watched = log.isOn() || vram.isOn();
    for (int i = from; i < to; i++) {
      if (reach[i] >= 0 && !Operation.isControl(operations[i])) {
        @Gfn long gfn = Addresses.gpaToGfn(Addresses.gpa(reach[i]));
        memory.touched(gfn);
        if (watched && (operations[i] & Access.WRITE) != 0) {
          wrote(gfn);
        }
      }
    }
  }

  private void wrote(@Gfn long gfn) {
    log.wrote(gfn);
    vram.wrote(gfn);
  }

  private void disturb() {
    List<Disturbance> possible = new ArrayList<>(kinds);
    possible.removeIf(kind -> !kind.isPossible());
    if (!possible.isEmpty()) {
      happen(possible.get(random.nextInt(possible.size())));
    }
  }

  private void happen(Disturbance kind) {
    if (kind.isPossible()) {
      String done = kind.happen(random);
      counts.merge(kind.title(), 1L, Long::sum);
      audit.after(done);
    }
  }

  // ---- what is told ----

  /** How often what was done, by name, in the order to print. */
  public Map<String, Object> facts() {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("disturbances", counts.values().stream().mapToLong(Long::longValue).sum());
    counts.forEach((title, count) -> facts.put("  " + title, count));
    swaps.byPair().forEach((pair, count) -> facts.put("    " + pair, count));
    facts.put("  refused for want of memory or feature", findings.refused());
    facts.put("dirty bitmaps compared", checks.count());
    facts.put("  frames that had to be dirty", checks.mustBeDirty());
    facts.put("  frames that were", checks.dirty());
    facts.put("written frames that range tracking forgot", vram.forgotten());
    facts.put("audits", audit.count());
    return facts;
  }
}
