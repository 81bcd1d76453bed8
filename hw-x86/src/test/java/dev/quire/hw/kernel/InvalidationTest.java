// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static dev.quire.hw.kernel.PrimedCpu.BIG_PIECES;
import static dev.quire.hw.kernel.PrimedCpu.GLOBAL;
import static dev.quire.hw.kernel.PrimedCpu.HUGE;
import static dev.quire.hw.kernel.PrimedCpu.LARGE;
import static dev.quire.hw.kernel.PrimedCpu.NEIGHBOUR;
import static dev.quire.hw.kernel.PrimedCpu.OTHER_PCID;
import static dev.quire.hw.kernel.PrimedCpu.PCID;
import static dev.quire.hw.kernel.PrimedCpu.PIECES;
import static dev.quire.hw.kernel.PrimedCpu.SMALL;
import static dev.quire.hw.kernel.PrimedCpu.WHOLE;
import static dev.quire.hw.kernel.PrimedCpu.isGlobal;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.Invalidation;
import dev.quire.hw.kernel.LiveEntries.Translated;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Each invalidation by itself: exactly what it must forget is gone afterwards, and what need not go
 * is still there. Guest 1 under PCID 1 executes it.
 */
class InvalidationTest {
  private static final Predicate<Translated> MINE = e -> e.tag() == 1;
  private static final Predicate<Translated> MINE_NON_GLOBAL = e -> e.tag() == 1 && !isGlobal(e);

  private final PrimedCpu cpu = new PrimedCpu(WHOLE);

  static List<TlbGeometry> geometries() {
    return List.of(WHOLE, PIECES, BIG_PIECES);
  }

  private Registers registers() {
    return cpu.guest.registers();
  }

  private Runnable writing(Kind kind, long operand) {
    return () -> cpu.run(b -> b.control(kind, operand));
  }

  private Runnable invpcid(int type, int pcid, long linear) {
    return () -> cpu.run(b -> b.control(Kind.INVPCID, linear, Invalidation.pack(type, pcid)));
  }

  @Test
  void withoutInvalidationTheOldTranslationIsUsed() {
    cpu.tables.map(SMALL, 1, 0x500000, Tables.PLAIN);
    assertThat(cpu.reached(SMALL)).isEqualTo(0x100000);
    writing(Kind.INVLPG, SMALL).run();
    assertThat(cpu.reached(SMALL)).isEqualTo(0x500000);
  }

  @Test
  void withoutInvalidationTheOldTableIsUsed() {
    long page = SMALL + 0x5000; // not cached itself
    cpu.tables.map(page, 1, 0x500000, Tables.PLAIN);
    cpu.tables.put(page, 2, 0x600000 | Tables.PLAIN);
    cpu.cpu.memory.store(0x600000 + 6 * 8, 8, 0x700000 | Tables.PLAIN);
    assertThat(cpu.reached(page)).isEqualTo(0x500000);
    writing(Kind.INVLPG, page).run();
    assertThat(cpu.reached(page)).isEqualTo(0x700000);
  }

  // ---- MOV to CR3 ----

  @Test
  void movToCr3WithoutPcidsForgetsAllThatIsNotGlobal() {
    PrimedCpu plain = new PrimedCpu(WHOLE, 0);
    plain.forgets(
        () -> plain.run(b -> b.control(Kind.MOV_CR3, plain.tables.root())),
        MINE_NON_GLOBAL,
        e -> e.tag() == 1);
  }

  @Test
  void movToCr3WithPcidsForgetsItsPcid() {
    cpu.forgets(
        writing(Kind.MOV_CR3, cpu.tables.root() | OTHER_PCID),
        e -> MINE_NON_GLOBAL.test(e) && e.pcid() == OTHER_PCID,
        e -> e.tag() == 1 && e.pcid() == OTHER_PCID);
  }

  @Test
  void movToCr3WithBit63ForgetsNothing() {
    cpu.keeps(writing(Kind.MOV_CR3, Long.MIN_VALUE | cpu.tables.root() | OTHER_PCID));
    assertThat(registers().cr3).isEqualTo(cpu.tables.root() | OTHER_PCID);
  }

  // ---- MOV to CR0 and CR4, WRMSR of EFER ----

  @Test
  void clearingPagingForgetsEverythingOfTheGuest() {
    PrimedCpu plain = new PrimedCpu(WHOLE, 0);
    plain.forgets(() -> plain.run(b -> b.control(Kind.MOV_CR0, Cr0.PE)), MINE, e -> e.tag() == 1);
  }

  @Test
  void changingWriteProtectForgetsNothing() {
    cpu.keeps(writing(Kind.MOV_CR0, registers().cr0 ^ Cr0.WP));
  }

  @Test
  void changingGlobalPagesForgetsEverythingOfTheGuest() {
    cpu.forgets(writing(Kind.MOV_CR4, registers().cr4 ^ Cr4.PGE), MINE, e -> e.tag() == 1);
  }

  @Test
  void changingPageSizeExtensionForgetsEverythingOfTheGuest() {
    cpu.forgets(writing(Kind.MOV_CR4, registers().cr4 ^ Cr4.PSE), MINE, e -> e.tag() == 1);
  }

  @Test
  void clearingPcidsForgetsEverythingOfTheGuestAndSettingThemNothing() {
    cpu.forgets(writing(Kind.MOV_CR4, registers().cr4 ^ Cr4.PCIDE), MINE, e -> e.tag() == 1);
    PrimedCpu plain = new PrimedCpu(WHOLE, 0);
    long cr4 = plain.guest.registers().cr4;
    plain.keeps(() -> plain.run(b -> b.control(Kind.MOV_CR4, cr4 | Cr4.PCIDE)));
  }

  @Test
  void settingSmepForgetsEverythingOfTheGuestAndClearingItNothing() {
    cpu.forgets(writing(Kind.MOV_CR4, registers().cr4 | Cr4.SMEP), MINE, e -> e.tag() == 1);
    PrimedCpu with = new PrimedCpu(WHOLE, Cr4.PCIDE | Cr4.SMEP);
    long cr4 = with.guest.registers().cr4;
    with.keeps(() -> with.run(b -> b.control(Kind.MOV_CR4, cr4 & ~Cr4.SMEP)));
  }

  @Test
  void changingRightsThatApplyAtEachHitForgetsNothing() {
    cpu.keeps(writing(Kind.MOV_CR4, registers().cr4 | Cr4.SMAP | Cr4.PKE | Cr4.PKS));
    cpu.keeps(writing(Kind.WRPKRU, 0xf0));
    cpu.keeps(writing(Kind.WRMSR_PKRS, 0xf0));
  }

  @Test
  void changingNoExecuteForgetsEverythingOfTheGuest() {
    cpu.forgets(writing(Kind.WRMSR_EFER, registers().efer ^ Efer.NXE), MINE, e -> e.tag() == 1);
    cpu.keeps(writing(Kind.WRMSR_EFER, registers().efer ^ Efer.SCE));
  }

  // ---- INVLPG and INVPCID ----

  @ParameterizedTest
  @MethodSource("geometries")
  void invlpgForgetsTheWholePageInWhateverPieces(TlbGeometry geometry) {
    for (long page : PrimedCpu.PAGES) {
      PrimedCpu fresh = new PrimedCpu(geometry);
      int shift = page == LARGE ? 21 : page == HUGE ? 30 : 12;
      fresh.forgets(
          () -> fresh.run(b -> b.control(Kind.INVLPG, page + 0x7ff)),
          e ->
              e.tag() == 1
                  && (isGlobal(e) || e.pcid() == PCID)
                  && (e.linear() ^ page) >>> shift == 0,
          e -> e.tag() == 1 && e.pcid() == PCID);
    }
  }

  @Test
  void invlpgFromAnywhereInALargePageForgetsItsPieces() {
    for (long offset : new long[] {0x1000, 0x3fe000, 0x3ffff000}) {
      PrimedCpu fresh = new PrimedCpu(PIECES);
      fresh.forgets(
          () -> fresh.run(b -> b.control(Kind.INVLPG, HUGE + offset)),
          e -> e.tag() == 1 && e.pcid() == PCID && (e.linear() ^ HUGE) >>> 30 == 0,
          e -> e.tag() == 1 && e.pcid() == PCID);
    }
  }

  @Test
  void invlpgOfAnAddressThatIsNotCanonicalForgetsNothing() {
    cpu.keeps(writing(Kind.INVLPG, 1L << 47));
  }

  @ParameterizedTest
  @MethodSource("geometries")
  void invpcidOfAnAddressForgetsThePageUnderThatPcid(TlbGeometry geometry) {
    for (long page : new long[] {SMALL, LARGE, HUGE}) {
      for (int pcid : new int[] {PCID, OTHER_PCID}) {
        PrimedCpu fresh = new PrimedCpu(geometry);
        int shift = page == LARGE ? 21 : page == HUGE ? 30 : 12;
        long operand = Invalidation.pack(Invalidation.ADDRESS, pcid);
        fresh.forgets(
            () -> fresh.run(b -> b.control(Kind.INVPCID, page, operand)),
            e -> e.tag() == 1 && e.pcid() == pcid && (e.linear() ^ page) >>> shift == 0,
            e -> e.tag() == 1 && e.pcid() == pcid);
      }
    }
  }

  @Test
  void invpcidOfAnAddressKeepsGlobalPages() {
    LiveEntries before = cpu.live();
    invpcid(Invalidation.ADDRESS, PCID, GLOBAL).run();
    assertThat(cpu.live().tlb()).isEqualTo(before.tlb());
    invpcid(Invalidation.ADDRESS, 77, GLOBAL).run(); // a PCID that never ran
    assertThat(cpu.live().tlb()).isEqualTo(before.tlb());
  }

  @Test
  void invpcidOfAContextForgetsThatPcid() {
    cpu.forgets(
        invpcid(Invalidation.CONTEXT, OTHER_PCID, 0),
        e -> MINE_NON_GLOBAL.test(e) && e.pcid() == OTHER_PCID,
        e -> e.tag() == 1 && e.pcid() == OTHER_PCID);
    cpu.keeps(invpcid(Invalidation.CONTEXT, 77, 0));
  }

  @Test
  void invpcidOfAllForgetsEverythingOfTheGuest() {
    cpu.forgets(invpcid(Invalidation.ALL, 0, 0), MINE, e -> e.tag() == 1);
  }

  @Test
  void invpcidOfAllNonGlobalKeepsGlobalPages() {
    cpu.forgets(invpcid(Invalidation.ALL_NON_GLOBAL, 0, 0), MINE_NON_GLOBAL, e -> e.tag() == 1);
  }

  // ---- restores ----

  @Test
  void restoringAnotherValueForgetsEverythingOfTheGuest() {
    long cr3 = cpu.tables.root() | OTHER_PCID;
    cpu.forgets(writing(Kind.LOAD_CR3, cr3), MINE, e -> e.tag() == 1);
    restoreForgets(Kind.LOAD_CR0, Cr0.PE);
    for (long bit :
        new long[] {Cr4.PGE, Cr4.PCIDE, Cr4.SMEP, Cr4.SMAP, Cr4.PKE, Cr4.PKS, Cr4.PSE, Cr4.LA57}) {
      restoreForgets(Kind.LOAD_CR4, registers().cr4 ^ bit);
    }
    restoreForgets(Kind.LOAD_EFER, registers().efer ^ Efer.NXE);
    restoreForgets(Kind.LOAD_EFER, Efer.LME);
  }

  private static void restoreForgets(Kind kind, long operand) {
    PrimedCpu fresh = new PrimedCpu(WHOLE);
    fresh.forgets(() -> fresh.run(b -> b.control(kind, operand)), MINE, e -> e.tag() == 1);
  }

  @Test
  void restoringAPdpteForgetsEverythingOfTheGuest() {
    cpu.forgets(() -> cpu.run(b -> b.control(Kind.LOAD_PDPTE, 0x5001, 2)), MINE, e -> e.tag() == 1);
    assertThat(registers().pdptes).containsExactly(0, 0, 0x5001, 0);
  }

  @Test
  void restoringTheSameValueForgetsNothing() {
    Registers now = new Registers();
    now.set(registers());
    cpu.keeps(writing(Kind.LOAD_CR0, now.cr0));
    cpu.keeps(writing(Kind.LOAD_CR0, now.cr0 ^ Cr0.WP ^ Cr0.TS));
    cpu.keeps(writing(Kind.LOAD_CR3, now.cr3 | Long.MIN_VALUE));
    cpu.keeps(writing(Kind.LOAD_CR4, now.cr4 | Cr4.VMXE));
    cpu.keeps(writing(Kind.LOAD_EFER, now.efer | Efer.SCE));
    cpu.keeps(writing(Kind.LOAD_PKRU, 12));
    cpu.keeps(() -> cpu.run(b -> b.control(Kind.LOAD_PDPTE, 0, 1)));
    assertThat(registers().cr3).isEqualTo(now.cr3);
    assertThat(registers().pkru).isEqualTo(12);
  }

  // ---- the hypervisor's ----

  @Test
  void flushForgetsEverything() {
    cpu.forgets(cpu.cpu.cpu::flush, e -> true, e -> true);
  }

  @Test
  void flushOfATagForgetsThatGuest() {
    cpu.forgets(() -> cpu.cpu.cpu.flushTag(2), e -> e.tag() == 2, e -> e.tag() == 2);
    cpu.keeps(() -> cpu.cpu.cpu.flushTag(3));
  }

  @Test
  void flushOfAnAddressForgetsItUnderEveryPcid() {
    for (long page : new long[] {SMALL, GLOBAL}) {
      PrimedCpu fresh = new PrimedCpu(WHOLE);
      fresh.forgets(
          () -> fresh.cpu.cpu.flushLinear(1, page),
          e -> e.tag() == 1 && e.linear() == page,
          e -> e.tag() == 1);
    }
  }

  @Test
  void flushOfAnAddressOfAGuestThatIsNotRunningForgetsTheGuest() {
    cpu.forgets(() -> cpu.cpu.cpu.flushLinear(2, NEIGHBOUR), e -> e.tag() == 2, e -> e.tag() == 2);
  }

  @Test
  void aRequestedFlushIsDoneBeforeAnythingElse() {
    long ticket = cpu.cpu.cpu.requestFlush();
    cpu.tables.map(SMALL, 1, 0x500000, Tables.PLAIN);
    assertThat(cpu.reached(SMALL)).isEqualTo(0x500000);
    assertThat(cpu.cpu.cpu.hasFlushed(ticket)).isTrue();
    assertThat(cpu.live().tlb()).allMatch(e -> e.linear() == SMALL && e.tag() == 1);
  }

  @Test
  void invalidationsOfAGuestWithPagingOffForgetNothingOfAnother() {
    PrimedCpu plain = new PrimedCpu(WHOLE, 0);
    OperationBlock block = new OperationBlock(8);
    plain.guest.tag(3);
    plain.guest.registers().cr0 = Cr0.PE;
    block.control(Kind.MOV_CR3, 0);
    block.control(Kind.INVLPG, SMALL);
    block.control(Kind.INVPCID, SMALL, Invalidation.pack(Invalidation.ADDRESS, 0));
    block.control(Kind.INVPCID, 0, Invalidation.pack(Invalidation.CONTEXT, 0));
    plain.keeps(() -> plain.cpu.cpu.enter(plain.guest, block, 8));
    assertThat(block.next()).isEqualTo(4);
  }
}
