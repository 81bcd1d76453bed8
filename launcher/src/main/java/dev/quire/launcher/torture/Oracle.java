// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Invalidation;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Vector;
import dev.quire.launcher.torture.GuestOperation.Kind;
import dev.quire.launcher.torture.GuestProgram.Plan;
import dev.quire.launcher.torture.VcpuHistory.RulesCache;
import dev.quire.launcher.torture.VcpuHistory.Scope;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Knows what one guest may see: its memory with all that it held, its registers, and what each vCPU
 * may still have cached. Guests whose caches differ may go different ways after an access that the
 * architecture leaves open, so each has an oracle of its own.
 */
final class Oracle {
  private final TortureGuest guest;
  private final ModelMemory memory;
  private final AccessOracle accesses;
  private final VcpuHistory[] histories;
  private final Registers[] registers;
  private final TortureCounts counts;
  private long time = 2;

  /** For a guest that has just begun. */
  Oracle(TortureGuest guest, Plan plan, long[][] content, RulesCache rules, TortureCounts counts) {
    this.guest = guest;
    this.counts = counts;
    memory = new ModelMemory(content);
    histories = new VcpuHistory[plan.vcpus()];
    registers = new Registers[plan.vcpus()];
    for (int i = 0; i < histories.length; i++) {
      histories[i] = new VcpuHistory(rules);
      registers[i] = new Registers();
      registers[i].set(guest.registers(i));
    }
    accesses = new AccessOracle(guest, memory, histories[0], plan.exact(), counts);
  }

  /**
   * Judges the operation that the guest has just made.
   *
   * @return what is wrong; null if nothing is
   */
  @Nullable String judge(GuestOperation it) {
    time += 2;
    if (it.kind() == Kind.DEVICE) {
      memory.store(it.place(), it.bytes(), it.value(), time + 1);
      return null;
    }
    VcpuHistory history = histories[it.vcpu()];
    Operation.Kind control = it.kind().control();
    if (control == null) {
      return accesses.judge(it, history, registers[it.vcpu()], time);
    }
    counts.controls++;
    return it.kind() == Kind.INVLPG || it.kind() == Kind.INVPCID
        ? invalidation(it, history)
        : write(it, control, history);
  }

  /** Compares all of memory, and has the backend recompute what it must keep true. */
  @Nullable String audit() {
    int word = memory.difference(guest);
    if (word >= 0) {
      return String.format(
          "memory at 0x%x is 0x%x, not 0x%x",
          (long) word << 3, guest.word(word), memory.word(word));
    }
    return guest.audit().isEmpty() ? null : "audit: " + String.join("; ", guest.audit());
  }

  // ---- registers ----

  private @Nullable String write(GuestOperation it, Operation.Kind kind, VcpuHistory history) {
    Registers before = new Registers();
    Registers after = registers[it.vcpu()];
    before.set(after);
    boolean latched = guest.latchesPdptes(it.vcpu());
    int effects =
        guest
            .registerUnit()
            .write(after, kind, it.place(), at -> latched ? memory.entry(at, 8) : 0);
    int fault =
        (effects & ControlRegisterUnit.GENERAL_PROTECTION) != 0
            ? Vector.GP
            : (effects & ControlRegisterUnit.UNDEFINED) != 0 ? Vector.UD : 0;
    if (fault != 0) {
      counts.refused++;
      return guest.hasFaulted(fault, 0, 0)
          ? null
          : Vector.describe(fault) + " is expected: " + guest.outcome();
    }
    if (guest.result() != RunResult.DONE) {
      return "the write is legal: " + guest.outcome();
    }
    history.registers(after, latched, time + 1);
    forget(it, before, after, history);
    return compare(after, guest.registers(it.vcpu()), latched);
  }

  private static boolean changed(long before, long after, long bit) {
    return ((before ^ after) & bit) != 0;
  }

  /** SDM vol. 3, 4.10.4.1. */
  private void forget(GuestOperation it, Registers before, Registers after, VcpuHistory history) {
    int pcid = history.now().pcid();
    boolean pcidsGone = (before.cr4 & ~after.cr4 & Cr4.PCIDE) != 0;
    if (changed(before.cr0, after.cr0, Cr0.PG)
        || changed(before.cr4, after.cr4, Cr4.PGE)
        || pcidsGone) {
      history.invalidate(Scope.ALL, 0, 0, 1, time + 1);
    } else if (changed(before.cr4, after.cr4, Cr4.PAE)
        || (~before.cr4 & after.cr4 & Cr4.SMEP) != 0) {
      history.invalidate(Scope.PCID_AND_GLOBAL, pcid, 0, 1, time + 1);
    } else if (it.kind() == Kind.CR3) {
      boolean keeps = (after.cr4 & Cr4.PCIDE) != 0 && (it.place() & Cr3.NO_FLUSH) != 0;
      if (!keeps) {
        history.invalidate(Scope.PCID, pcid, 0, 1, time + 1);
      }
    }
  }

  private @Nullable String compare(Registers wanted, Registers seen, boolean latched) {
    boolean pae =
        (wanted.cr0 & Cr0.PG) != 0 && PagingRules.format(wanted.cr4, wanted.efer).rootInRegisters();
    boolean same =
        wanted.cr0 == seen.cr0
            && wanted.cr3 == seen.cr3
            && wanted.cr4 == seen.cr4
            && wanted.efer == seen.efer
            && wanted.pkru == seen.pkru
            && (!pae || !latched || Arrays.equals(wanted.pdptes, seen.pdptes));
    return same ? null : "registers are " + describe(seen) + ", not " + describe(wanted);
  }

  private static String describe(Registers it) {
    return String.format(
        "CR0 0x%x CR3 0x%x CR4 0x%x EFER 0x%x PKRU 0x%x PDPTEs %s",
        it.cr0, it.cr3, it.cr4, it.efer, it.pkru, Arrays.toString(it.pdptes));
  }

  // ---- invalidations ----

  private @Nullable String invalidation(GuestOperation it, VcpuHistory history) {
    Registers now = registers[it.vcpu()];
    boolean address = Invalidation.isAddress(it.place(), now.cr0, now.cr4, now.efer);
    if (it.kind() == Kind.INVPCID && !Invalidation.isLegal(it.value(), address, now.cr4)) {
      return guest.hasFaulted(Vector.GP, 0, 0) ? null : "#GP is expected: " + guest.outcome();
    }
    if (guest.result() != RunResult.DONE) {
      return "the invalidation is legal: " + guest.outcome();
    }
    PagingRules rules = history.now().rules();
    boolean wide = rules != null && rules.format().isLongMode();
    long linear = wide ? it.place() : it.place() & 0xffffffffL;
    int level = rules == null ? 1 : accesses.levelOf(history, now, linear);
    if (it.kind() == Kind.INVLPG) {
      if (address) { // else nothing happens
        int pcid = history.now().pcid();
        history.invalidate(Scope.PAGE_AND_GLOBAL, pcid, linear, level, time + 1);
      }
      return null;
    }
    int pcid = Invalidation.pcid(it.value());
    Scope scope =
        switch (Invalidation.type(it.value())) {
          case Invalidation.ADDRESS -> Scope.PAGE;
          case Invalidation.CONTEXT -> Scope.PCID;
          case Invalidation.ALL -> Scope.ALL;
          default -> Scope.NON_GLOBAL;
        };
    history.invalidate(scope, pcid, linear, level, time + 1);
    return null;
  }
}
