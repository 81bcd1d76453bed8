// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.Resolution;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Enters the hardware until the block is done or the guest must act, and has exits handled as
 * {@link ExitRow} says. Each time round is a safe point.
 */
final class ExitLoop {
  /** How many operations at most lie between two safe points. */
  static final int BUDGET = 1 << 16;

  /**
   * How often in a row one operation may be run again. A walk in two dimensions reads 35 entries at
   * most, an access crosses into one page more, and each entry may need a few answers.
   */
  static final int RETRIES = 1000;

  private ExitLoop() {}

  /** Runs a block; null if the domain has to be handed over before it goes on. */
  static @Nullable RunResult run(GuestVcpu vcpu, PhysicalCpu place, OperationBlock block) {
    Cpu cpu = place.cpu();
    int fixedAt = -1;
    int fixes = 0;
    while (vcpu.domain().crashReason() == null) {
      if (vcpu.domain().isHandoverDue()) {
        return null;
      }
      place.admit(vcpu); // a change of the p2m may have made the tag void
      vcpu.control().shadows(vcpu.registers().cr0, vcpu.registers().cr4);
      ExitReason reason = cpu.enter(vcpu.control(), block, BUDGET);
      vcpu.takeFromHardware();
      if (reason == ExitReason.DONE) {
        return RunResult.DONE;
      }
      if (reason == ExitReason.PREEMPTED) {
        continue;
      }
      switch (resolve(vcpu, cpu, block, reason)) {
        case INJECT -> {
          vcpu.deliver();
          return RunResult.FAULT;
        }
        case EMULATED -> block.next(block.next() + 1);
        case CRASH -> crash(vcpu, reason, "cannot be handled");
        case FIXED -> {
          boolean again = block.next() == fixedAt && reason != ExitReason.HYPERCALL;
          fixes = again ? fixes + 1 : 1; // a preempted hypercall has got on, however long it takes
          fixedAt = block.next();
          if (fixes > RETRIES) {
            crash(vcpu, reason, "was fixed " + RETRIES + " times, but came again each time");
          }
        }
      }
    }
    return RunResult.DEAD;
  }

  private static Resolution resolve(
      GuestVcpu vcpu, Cpu cpu, OperationBlock block, ExitReason reason) {
    if (reason == ExitReason.FAULT) {
      return Resolution.INJECT; // a guest event that nobody intercepts: no exit
    }
    vcpu.countExit(reason);
    return ExitRow.of(reason).handle(vcpu, cpu, block);
  }

  private static void crash(GuestVcpu vcpu, ExitReason reason, String why) {
    GuestDomain domain = vcpu.domain();
    String what = reason.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    String where =
        switch (reason) {
          case PAGE_FAULT -> String.format(" at 0x%x", vcpu.control().exitLinear());
          case NESTED_FAULT, EPT_MISCONFIGURATION ->
              String.format(" at guest-physical 0x%x", vcpu.control().exitGuestPhysical());
          default -> "";
        };
    domain.crash(
        String.format("%s, backend %s: %s%s %s", vcpu, domain.backend(), what, where, why));
  }
}
