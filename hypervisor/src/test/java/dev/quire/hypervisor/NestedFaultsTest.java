// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.NestedFault;
import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NestedFaultsTest {
  private static final long READ = NestedFault.EPT_READ;
  private static final long WRITE = NestedFault.EPT_WRITE;
  private static final long FETCH = NestedFault.EPT_FETCH;

  /** Which accesses each access type reports: hap-p2m, 1.2. */
  private static final Map<P2mAccess, Long> VIOLATED = new EnumMap<>(P2mAccess.class);

  static {
    VIOLATED.put(P2mAccess.N, READ | WRITE | FETCH);
    VIOLATED.put(P2mAccess.N2RWX, READ | WRITE | FETCH);
    VIOLATED.put(P2mAccess.R, WRITE | FETCH);
    VIOLATED.put(P2mAccess.R_PW, WRITE | FETCH);
    VIOLATED.put(P2mAccess.W, READ | FETCH);
    VIOLATED.put(P2mAccess.X, READ | WRITE);
    VIOLATED.put(P2mAccess.RX, WRITE);
    VIOLATED.put(P2mAccess.RX2RW, WRITE);
    VIOLATED.put(P2mAccess.WX, READ);
    VIOLATED.put(P2mAccess.RW, FETCH);
    VIOLATED.put(P2mAccess.RWX, 0L);
  }

  private final TranslatedGuest guest = new TranslatedGuest(P2mFormat.EPT);
  private final OperationBlock block = new OperationBlock(1);

  @BeforeEach
  void oneOperation() {
    block.probe(Access.of(0, true, false), 0x3000);
  }

  private RunResult fault(long gfn, long access) {
    block.next(0);
    return guest.faulting(block, gfn << 12, TranslatedGuest.violation(access));
  }

  @ParameterizedTest
  @EnumSource(
      value = P2mAccess.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"W", "WX"}) // EPT knows no writes without reads
  void aClosedFrameIsOpenedWhereNobodyListensAndAnOpenOneIsLeftAlone(P2mAccess access) {
    for (long kind : new long[] {READ, WRITE, FETCH}) {
      assertThat(guest.p2m().set(3, guest.mfn(3), 0, P2mType.RAM_RW, access).isOk()).isTrue();
      assertThat(fault(3, kind)).isEqualTo(RunResult.DONE);
      boolean violated = (VIOLATED.get(access) & kind) != 0;
      P2mAccess opened = access == P2mAccess.RX2RW ? P2mAccess.RW : P2mAccess.RWX;
      assertThat(P2mEntry.access(guest.p2m().get(3)))
          .as("%s after %d", access, kind)
          .isEqualTo(violated ? opened : access);
      assertThat(P2mEntry.type(guest.p2m().get(3))).isEqualTo(P2mType.RAM_RW);
    }
  }

  @Test
  void aWriteToALoggedFrameMakesItWritableAgain() {
    guest.p2m().changeType(3, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
    assertThat(fault(3, READ)).isEqualTo(RunResult.DONE);
    assertThat(P2mEntry.type(guest.p2m().get(3))).isEqualTo(P2mType.RAM_LOGDIRTY);
    assertThat(fault(3, WRITE)).isEqualTo(RunResult.DONE);
    assertThat(P2mEntry.type(guest.p2m().get(3))).isEqualTo(P2mType.RAM_RW);
    assertThat(block.reached()[0]).as("the hardware does it").isZero();
    assertThat(guest.vcpu.exits(ExitReason.NESTED_FAULT)).isEqualTo(2);
  }

  /** What is neither memory nor a device: hap-p2m, 4.10. */
  @ParameterizedTest
  @EnumSource(
      value = P2mType.class,
      names = {"INVALID", "RAM_BROKEN", "RAM_PAGED"})
  void whatCannotBeIsTheEndOfTheDomainAndOfNobodyElse(P2mType type) {
    long mfn = type == P2mType.RAM_BROKEN ? guest.mfn(3) : -1;
    assertThat(guest.p2m().set(3, mfn, 0, type, P2mAccess.RWX).isOk()).isTrue();
    boolean hole = P2mEntry.type(guest.p2m().get(3)) == P2mType.MMIO_DM;
    assertThat(fault(3, READ)).isEqualTo(hole ? RunResult.DONE : RunResult.DEAD);
    if (!hole) {
      assertThat(guest.domain.crashReason())
          .contains("vCPU 0 of domain 1", "read, final", "0x3000", type.name());
    }
    assertThat(guest.hypervisor.createDomain(guest.backend, Specs.row(1, 4)).crashReason())
        .isNull();
  }

  @Test
  void aFaultThatNothingExplainsIsTriedAgainButNotForEver() {
    guest
        .machine
        .cpu(0)
        .always(
            (control, entered) -> {
              control.exitNested(TranslatedGuest.violation(READ), 0x3000, 0x3000, 0);
              return ExitReason.NESTED_FAULT;
            });
    assertThat(guest.vcpu.run(block)).isEqualTo(RunResult.DEAD);
    assertThat(guest.domain.crashReason()).contains("nested fault at guest-physical 0x3000");
    assertThat(guest.vcpu.exits(ExitReason.NESTED_FAULT)).isEqualTo(ExitLoop.RETRIES + 1);
  }
}
