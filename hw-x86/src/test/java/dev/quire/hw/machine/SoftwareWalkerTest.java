// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.Translation;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Walks for others: tables behind a mapping of frames, steps shown, A and D left alone. */
class SoftwareWalkerTest {
  private static final long LINEAR = 0x12345678;
  private static final long USER_WRITE = Access.of(Access.WRITE, true, false);

  /** Guest frames 1 to 4 hold the tables, and lie higher in the machine. */
  private static final FrameMapper P2M =
      gfn -> gfn >= 1 && gfn <= 4 ? gfn + 0x100 : FrameMapper.NONE;

  private final CpuProfile profile = CpuProfile.full(Vendor.INTEL, 40);
  private final Machine machine = new X86MachineFactory().create(MachineSpec.bare(profile));
  private final PagingContext context = new PagingContext(profile);
  private final Registers registers = new Registers();

  SoftwareWalkerTest() {
    registers.cr0 = Cr0.PE | Cr0.PG;
    registers.cr4 = Cr4.PAE;
    registers.efer = Efer.LME | Efer.LMA | Efer.NXE;
    registers.cr3 = 0x1000;
    context.load(registers);
  }

  /** The same tables at guest addresses 0x1000 to 0x4fff, moved by an offset. */
  private void map(long offset, long leaf) {
    for (int level = 4; level > 1; level--) {
      long table = (5 - level) * 0x1000L;
      machine.memory().store(offset + table + index(level) * 8, 8, table + 0x1000 | 7);
    }
    machine.memory().store(offset + 0x4000 + index(1) * 8, 8, leaf);
  }

  private static long index(int level) {
    return LINEAR >>> 12 + 9 * (level - 1) & 511;
  }

  private long entry(long offset, int level) {
    return machine.memory().load(offset + (5 - level) * 0x1000L + index(level) * 8, 8);
  }

  private long walk(FrameMapper frames, boolean update, WalkTrace trace) {
    return machine.walker().walk(context, LINEAR, USER_WRITE, frames, update, trace);
  }

  @Test
  void entriesHoldMachineAddressesWithoutAMapping() {
    map(0, 0x99000 | 7);
    long found = walk(null, PageWalker.SET_ACCESSED_DIRTY, null);
    assertThat(Translation.address(found, LINEAR, 12)).isEqualTo(0x99678);
    assertThat(entry(0, 1)).isEqualTo(0x99000 | 0x67);
    assertThat(entry(0, 4) & 0x60).isEqualTo(0x20);
  }

  @Test
  void tablesAreFoundThroughTheMappingAndThePageIsTheGuests() {
    map(0x100000, 0x99000 | 7);
    long found = walk(P2M, PageWalker.SET_ACCESSED_DIRTY, null);
    assertThat(Translation.address(found, LINEAR, 12)).isEqualTo(0x99678);
    assertThat(found & Translation.DIRTY).isNotZero();
    assertThat(entry(0x100000, 1)).isEqualTo(0x99000 | 0x67);
  }

  @Test
  void aLookChangesNothing() {
    map(0x100000, 0x99000 | 7);
    long found = walk(P2M, PageWalker.LOOK_ONLY, null);
    assertThat(Translation.isFault(found)).isFalse();
    assertThat(found >>> 52).isZero();
    assertThat(found & Translation.DIRTY).isZero();
    assertThat(entry(0x100000, 1)).isEqualTo(0x99000 | 7);
    assertThat(entry(0x100000, 4) & 0x20).isZero();
  }

  /** Looking for the last table is the moment between the read of an entry and its A bit. */
  @Test
  void anEntryThatChangesUnderTheWalkIsReadAgainAndKeepsTheChange() {
    map(0x100000, 0x99000 | 7);
    long mark = 1L << 9;
    int[] looks = new int[1];
    FrameMapper another =
        gfn -> {
          if (gfn == 4 && looks[0]++ == 0) {
            long at = 0x103000 + index(2) * 8;
            machine.memory().store(at, 8, machine.memory().load(at, 8) | mark);
          }
          return P2M.toMachine(gfn);
        };
    WalkTrace trace = new WalkTrace();
    long found = walk(another, PageWalker.SET_ACCESSED_DIRTY, trace);
    assertThat(Translation.address(found, LINEAR, 12)).isEqualTo(0x99678);
    assertThat(looks[0]).isEqualTo(2);
    assertThat(entry(0x100000, 2)).isEqualTo(0x4000 | 0x27 | mark);
    assertThat(entry(0x100000, 1)).isEqualTo(0x99000 | 0x67);
    assertThat(trace.steps()).hasSize(4); // of the second walk only
  }

  @Test
  void aTableThatLiesNowhereEndsTheWalk() {
    map(0x100000, 0x99000 | 7);
    machine.memory().store(0x103000 + index(2) * 8, 8, 0x7000 | 7);
    long fault = walk(P2M, PageWalker.SET_ACCESSED_DIRTY, null);
    assertThat(Translation.rule(fault)).isEqualTo(FaultRule.TABLE_NOT_MEMORY);
    assertThat(Translation.faultLevel(fault)).isEqualTo(1);
    assertThat(Translation.errorCode(fault))
        .isEqualTo(ErrorCode.P | ErrorCode.RSVD | ErrorCode.W | ErrorCode.U);
    assertThat(entry(0x100000, 4) & 0x20).isZero();
  }

  @Test
  void theStepsAreShownWithWhatEndedThem() {
    map(0x100000, 0x99000 | 5);
    WalkTrace trace = new WalkTrace();
    long fault = walk(P2M, PageWalker.LOOK_ONLY, trace);
    assertThat(trace.steps()).hasSize(4);
    assertThat(trace.steps().get(0).level()).isEqualTo(4);
    assertThat(trace.steps().get(0).address()).isEqualTo(0x1000 + index(4) * 8);
    assertThat(trace.steps().get(3).address()).isEqualTo(0x4000 + index(1) * 8);
    assertThat(trace.steps().get(3).entry()).isEqualTo(0x99000 | 5);
    assertThat(trace.steps().get(3).linear()).isEqualTo(LINEAR);
    assertThat(trace.explain(fault).get(4)).startsWith("refused by READ_ONLY at level 1");
    long again = walk(P2M, PageWalker.LOOK_ONLY, trace);
    assertThat(again).isEqualTo(fault);
    assertThat(trace.steps()).hasSize(4);
  }

  @Test
  void aPdpteRegisterIsAStepWithoutAddress() {
    registers.efer = 0;
    registers.pdptes[0] = 0x3000 | 1;
    context.load(registers);
    map(0x100000, 0x99000 | 7);
    WalkTrace trace = new WalkTrace();
    long found = walk(P2M, PageWalker.LOOK_ONLY, trace);
    assertThat(Translation.frame(found)).isEqualTo(0x99000);
    assertThat(trace.steps()).hasSize(3);
    assertThat(trace.steps().get(0).address()).isEqualTo(-1);
    assertThat(trace.steps().get(0).entry()).isEqualTo(0x3000 | 1);
    assertThat(trace.steps().get(0).level()).isEqualTo(3);
  }

  @Test
  void anAddressThatIsNotCanonicalIsNotWalked() {
    long fault =
        machine.walker().walk(context, 1L << 47, USER_WRITE, null, PageWalker.LOOK_ONLY, null);
    assertThat(Translation.rule(fault)).isEqualTo(FaultRule.NOT_CANONICAL);
    assertThat(Translation.faultLevel(fault)).isZero();
    assertThat(Translation.errorCode(fault)).isZero();
  }

  @Test
  void withPagingOffThereIsNothingToWalk() {
    context.load(new Registers());
    assertThatThrownBy(() -> walk(null, PageWalker.LOOK_ONLY, null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("paging is off: there are no tables to walk");
  }

  @Test
  void tablesInDeviceMemoryReadAsOnes() {
    Machine small =
        new X86MachineFactory()
            .create(MachineSpec.bare(profile).withRam(List.of(new MachineSpec.Ram(0, 0x10000))));
    registers.efer = 0;
    registers.cr4 = 0;
    registers.cr3 = 0xc0000000L;
    context.load(registers);
    long found =
        small.walker().walk(context, LINEAR, USER_WRITE, null, PageWalker.SET_ACCESSED_DIRTY, null);
    assertThat(Translation.frame(found)).isEqualTo(0xfffff000L);
    assertThat(small.memory().framesInUse()).isZero();
  }
}
