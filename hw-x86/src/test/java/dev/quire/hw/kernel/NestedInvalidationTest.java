// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Invalidation;
import dev.quire.hw.reference.Shape;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * What each invalidation must drop under nested paging, and what it must leave (SDM vol. 3, 29.4.3;
 * APM vol. 2, 15.16). Each test first sees that there is something to drop, so that leaving the
 * invalidation out is found.
 */
class NestedInvalidationTest {
  private static final long SMALL = 0x7f0000001000L;
  private static final long GLOBAL = 0x7f0000002000L;
  private static final long LARGE = 0x7f0040000000L;
  private static final long[] PAGES = {SMALL, GLOBAL, LARGE};
  private static final long OTHER_ROOT = 0x8_8000_0000L;

  private final NestedGuest intel = guest(Vendor.INTEL, Format.EPT);

  /** Two VPIDs under two PCIDs by way of two roots; VPID 1 with PCID 1 is current at the end. */
  private static NestedGuest guest(Vendor vendor, Format format) {
    NestedGuest guest =
        new NestedGuest(CpuProfile.full(vendor, 40), PrimedCpu.WHOLE, Shape.FOUR_LEVEL, format, 4);
    guest.map(SMALL, 1, 0x7000000, Tables.PLAIN);
    guest.map(GLOBAL, 1, 0x7001000, Tables.PLAIN | Tables.G);
    guest.map(LARGE, 2, 0x40000000, Tables.PLAIN);
    guest.nest(0x40000000, 2, format == Format.EPT ? NestedGuest.EPT_LEAF : Tables.PLAIN);
    long root = guest.control.nested().root;
    for (int at = 0; at < 4096; at += 8) { // another root over the same tables
      guest.cpu.memory.store(OTHER_ROOT + at, 8, guest.cpu.memory.load(root + at, 8));
    }
    guest.control.registers().cr4 |= Cr4.PCIDE | Cr4.PGE;
    for (int vpid = 2; vpid >= 1; vpid--) {
      for (long each : format == Format.EPT ? new long[] {OTHER_ROOT, root} : new long[] {root}) {
        for (int pcid = 2; pcid >= 1; pcid--) {
          prime(guest, vpid, each, pcid);
        }
      }
    }
    return guest;
  }

  private static void prime(NestedGuest guest, int vpid, long root, int pcid) {
    guest.control.tag(vpid);
    guest.control.nested().root = root;
    guest.control.registers().cr3 = guest.guest.root() | pcid;
    for (int round = 0; round < 2; round++) { // the first sets A of nested entries
      for (long page : PAGES) {
        assertThat(guest.access(0, page)).isEqualTo(ExitReason.DONE);
        assertThat(guest.access(Access.FETCH, page)).isEqualTo(ExitReason.DONE);
      }
    }
  }

  /** Does something and expects these entries to be gone, and those to be left. */
  private static void forgets(
      NestedGuest guest,
      Runnable invalidation,
      Predicate<LiveMappings.Entry> gone,
      Predicate<LiveMappings.Entry> left) {
    Set<LiveMappings.Entry> before = LiveMappings.of(guest.cpu);
    assertThat(before).as("something to forget").anyMatch(gone);
    assertThat(before).as("something to leave").anyMatch(left);
    invalidation.run();
    Set<LiveMappings.Entry> after = LiveMappings.of(guest.cpu);
    assertThat(after).noneMatch(gone);
    assertThat(after).containsAll(before.stream().filter(left).collect(Collectors.toSet()));
  }

  private void execute(Kind kind, long operand, long second) {
    intel.block.clear();
    intel.block.control(kind, operand, second);
    assertThat(intel.cpu.cpu.enter(intel.control, intel.block, 1)).isEqualTo(ExitReason.DONE);
  }

  private static boolean isCombined(LiveMappings.Entry entry) {
    return !entry.isGuestPhysical();
  }

  private static boolean isPage(LiveMappings.Entry entry, long linear) {
    return entry.kind() == LiveMappings.Kind.COMBINED && entry.covers(linear);
  }

  @Test
  void inveptSingleContextDropsWhatWasMadeByOneRoot() {
    long root = intel.control.nested().root;
    forgets(
        intel,
        () -> intel.cpu.cpu.invept(root),
        it -> it.root() == root,
        it -> it.root() == OTHER_ROOT);
  }

  @Test
  void inveptSingleContextOfAnotherRoot() {
    long root = intel.control.nested().root;
    forgets(
        intel,
        () -> intel.cpu.cpu.invept(OTHER_ROOT),
        it -> it.root() == OTHER_ROOT,
        it -> it.root() == root);
  }

  @Test
  void inveptAllContexts() {
    Set<LiveMappings.Entry> before = LiveMappings.of(intel.cpu);
    assertThat(before.stream().map(LiveMappings.Entry::kind).distinct())
        .containsExactlyInAnyOrder(LiveMappings.Kind.values());
    intel.cpu.cpu.inveptAll();
    assertThat(LiveMappings.of(intel.cpu)).isEmpty();
  }

  @Test
  void invvpidIndividualAddress() {
    forgets(
        intel,
        () -> intel.cpu.cpu.invvpidAddress(1, SMALL),
        it -> it.vpid() == 1 && isPage(it, SMALL),
        it -> it.vpid() == 2 || it.isGuestPhysical());
    forgets(
        intel,
        () -> intel.cpu.cpu.invvpidAddress(2, GLOBAL),
        it -> it.vpid() == 2 && isPage(it, GLOBAL),
        LiveMappings.Entry::isGuestPhysical);
  }

  @Test
  void invvpidSingleContext() {
    forgets(
        intel,
        () -> intel.cpu.cpu.invvpidContext(1),
        it -> it.vpid() == 1 && isCombined(it),
        it -> it.vpid() == 2 || it.isGuestPhysical());
  }

  @Test
  void invvpidAllContexts() {
    forgets(
        intel,
        () -> intel.cpu.cpu.invvpidAll(),
        NestedInvalidationTest::isCombined,
        LiveMappings.Entry::isGuestPhysical);
  }

  @Test
  void invvpidSingleContextRetainingGlobals() {
    long root = intel.control.nested().root;
    forgets(
        intel,
        () -> intel.cpu.cpu.invvpidContextNonGlobal(1),
        it -> it.vpid() == 1 && isCombined(it) && !it.global(),
        it ->
            it.vpid() == 2
                || it.isGuestPhysical()
                || it.global() && it.vpid() == 1 && it.root() == root);
  }

  /** What the hypervisor invalidates of a VPID that is not current. */
  @Test
  void invvpidSingleContextRetainingGlobalsOfAnotherVpid() {
    forgets(
        intel,
        () -> intel.cpu.cpu.invvpidContextNonGlobal(2),
        it -> it.vpid() == 2 && isCombined(it) && !it.global(),
        it -> it.vpid() == 1 || it.isGuestPhysical());
  }

  /** A VPID has linear mappings too, if its guest ran without nested paging before. */
  @Test
  void guestsInvalidationsDropWhatItsVpidHasWithoutNestedPaging() {
    Tables tables = new Tables(intel.cpu.memory, Shape.FOUR_LEVEL, 0x9_0000_0000L);
    tables.map(SMALL, 1, 0x7000000, Tables.PLAIN);
    long root = intel.control.nested().root;
    intel.control.nested().format = Format.NONE;
    intel.control.registers().cr3 = tables.root() | 1;
    assertThat(intel.access(0, SMALL)).isEqualTo(ExitReason.DONE);
    intel.control.nested().format = Format.EPT;
    intel.control.nested().root = root;
    intel.control.registers().cr3 = intel.guest.root() | 1;
    forgets(
        intel,
        () -> execute(Kind.INVLPG, SMALL, 0),
        it -> it.vpid() == 1 && it.root() == 0 && isPage(it, SMALL),
        it -> it.vpid() == 2 || it.isGuestPhysical());
  }

  /** As long as every page lies on nested ones of its own size, a page is one entry. */
  @Test
  void invlpgLeavesOtherPagesWhereNoneIsInPieces() {
    forgets(
        intel,
        () -> execute(Kind.INVLPG, SMALL, 0),
        it -> it.vpid() == 1 && it.pcid() == 1 && isPage(it, SMALL),
        it -> isPage(it, GLOBAL) && it.root() == intel.control.nested().root);
  }

  /** A guest's own invalidations know its VPID, not the root; guest-physical mappings stay. */
  @Test
  void guestsInvalidationsGoThroughEveryRoot() {
    forgets(
        intel,
        () -> execute(Kind.INVLPG, SMALL, 0),
        it -> it.vpid() == 1 && it.pcid() == 1 && isPage(it, SMALL),
        it -> it.vpid() == 2 || it.isGuestPhysical());
    forgets(
        intel,
        () -> execute(Kind.INVPCID, 0, Invalidation.pack(Invalidation.ALL, 0)),
        it -> it.vpid() == 1 && isCombined(it),
        it -> it.vpid() == 2 || it.isGuestPhysical());
  }

  @Test
  void movToCr3LeavesGuestPhysicalMappings() {
    forgets(
        intel,
        () -> execute(Kind.MOV_CR3, intel.guest.root() | 1, 0),
        it -> it.vpid() == 1 && it.pcid() == 1 && isCombined(it) && !it.global(),
        it -> it.vpid() == 2 || it.isGuestPhysical());
  }

  /** A large page of the guest's on small nested ones is one page to INVLPG. */
  @Test
  void invlpgDropsEveryPieceOfALargePage() {
    long large = 0x7f0080000000L;
    intel.map(large, 2, 0x50000000, Tables.PLAIN);
    for (int i = 0; i < 2; i++) {
      intel.back(0x50000000 + 4096L * i);
      intel.back(0x50200000 + 4096L * i);
      assertThat(intel.access(0, large + 4096L * i)).isEqualTo(ExitReason.DONE);
    }
    intel.guest.map(large, 2, 0x50200000, Tables.PLAIN);
    execute(Kind.INVLPG, large, 0);
    assertThat(intel.access(0, large + 4096)).isEqualTo(ExitReason.DONE);
    assertThat(intel.reached()).isEqualTo(0x50201000);
    intel.guest.map(large, 2, 0x50000000, Tables.PLAIN);
    execute(Kind.INVPCID, large, Invalidation.pack(Invalidation.ADDRESS, 1));
    assertThat(intel.access(0, large + 4096)).isEqualTo(ExitReason.DONE);
    assertThat(intel.reached()).isEqualTo(0x50001000);
  }

  /** A global page is one page too; INVPCID of an address leaves it alone. */
  @Test
  void invlpgDropsEveryPieceOfAGlobalLargePage() {
    long large = 0x7f0080000000L;
    intel.map(large, 2, 0x50000000, Tables.PLAIN | Tables.G);
    for (int i = 0; i < 2; i++) {
      intel.back(0x50000000 + 4096L * i);
      assertThat(intel.access(0, large + 4096L * i)).isEqualTo(ExitReason.DONE);
    }
    forgets(
        intel,
        () -> execute(Kind.INVPCID, large, Invalidation.pack(Invalidation.ADDRESS, 1)),
        it -> it.vpid() == 1 && it.pcid() == 1 && isPage(it, SMALL) && !it.global(),
        it -> it.global() && isPage(it, large + 4096) || it.isGuestPhysical());
    forgets(
        intel,
        () -> execute(Kind.INVLPG, large, 0),
        it -> it.vpid() == 1 && (isPage(it, large) || isPage(it, large + 4096)),
        it -> it.vpid() == 2 || it.isGuestPhysical());
  }

  /**
   * Numbers for roots run out at another time than those for a VPID and a root. What is forgotten
   * then is not in the TLBs, which go on holding pieces.
   */
  @Test
  void invlpgDropsEveryPieceThoughNumbersOfRootsRanOut() {
    long large = 0x7f0080000000L;
    intel.map(large, 2, 0x50000000, Tables.PLAIN);
    for (int i = 0; i < 2; i++) {
      intel.back(0x50000000 + 4096L * i);
      intel.back(0x50200000 + 4096L * i);
    }
    long root = intel.control.nested().root;
    for (int number = 1; number < 120; number++) {
      long current = copy(root, number);
      intel.guest.map(large, 2, 0x50000000, Tables.PLAIN);
      intel.control.nested().root = current;
      assertThat(intel.access(0, large)).isEqualTo(ExitReason.DONE);
      assertThat(intel.access(0, large + 4096)).isEqualTo(ExitReason.DONE);
      intel.control.nested().root = copy(root, number + 1);
      assertThat(intel.access(0, SMALL)).isEqualTo(ExitReason.DONE);
      intel.control.nested().root = current;
      intel.guest.map(large, 2, 0x50200000, Tables.PLAIN);
      execute(Kind.INVLPG, large, 0);
      assertThat(intel.access(0, large + 4096)).isEqualTo(ExitReason.DONE);
      assertThat(intel.reached()).as("root %s", number).isEqualTo(0x50201000);
    }
  }

  /** Another root over the same nested tables. */
  private long copy(long root, int number) {
    long copy = OTHER_ROOT + 4096L * number;
    for (int at = 0; at < 4096; at += 8) {
      intel.cpu.memory.store(copy + at, 8, intel.cpu.memory.load(root + at, 8));
    }
    return copy;
  }

  /** An EPT violation drops what led to it, though not what other addresses use. */
  @Test
  void violationDropsWhatLedToIt() {
    long page = 0x7000000;
    intel.nest(page, 1, NestedGuest.EPT_LEAF & ~2); // more rights are taken than cached entries say
    intel.cpu.cpu.flush();
    prime(intel, 1, intel.control.nested().root, 1);
    forgets(
        intel,
        () -> assertThat(intel.access(Access.WRITE, SMALL)).isEqualTo(ExitReason.NESTED_FAULT),
        it ->
            isPage(it, SMALL) && it.shift() == 12
                || it.kind() == LiveMappings.Kind.COMBINED_TABLE && it.covers(SMALL)
                || it.isGuestPhysical() && it.covers(page),
        it -> it.kind() == LiveMappings.Kind.GUEST_PHYSICAL && it.covers(0x7001000));
    assertThat(intel.cpu.counters.get(HwEvent.NESTED_FAULTS)).isEqualTo(1);
    intel.nest(page, 1, NestedGuest.EPT_LEAF);
    assertThat(intel.access(Access.WRITE, SMALL)).isEqualTo(ExitReason.DONE); // without INVEPT
  }

  /** With AMD everything has an ASID; its reuse drops guest-physical mappings too. */
  @Test
  void reuseOfAnAsid() {
    NestedGuest amd = guest(Vendor.AMD, Format.NPT);
    forgets(amd, () -> amd.cpu.cpu.flushTag(1), it -> it.vpid() == 1, it -> it.vpid() == 2);
    assertThat(LiveMappings.of(amd.cpu)).allMatch(it -> it.vpid() == 2);
    forgets(
        amd,
        () -> amd.cpu.cpu.invlpga(SMALL, 2),
        it -> it.vpid() == 2 && isPage(it, SMALL),
        LiveMappings.Entry::isGuestPhysical);
  }

  @Test
  void eachCountsAsWhatItIs() {
    Counters counters = intel.cpu.counters;
    counters.reset();
    intel.cpu.cpu.invept(OTHER_ROOT);
    intel.cpu.cpu.inveptAll();
    assertThat(counters.get(HwEvent.INVEPT)).isEqualTo(2);
    intel.cpu.cpu.invvpidAddress(1, SMALL);
    assertThat(counters.get(HwEvent.INVVPID)).isEqualTo(1);
    intel.cpu.cpu.invvpidContext(1);
    assertThat(counters.get(HwEvent.INVVPID)).isEqualTo(2);
    intel.cpu.cpu.invvpidContextNonGlobal(1);
    assertThat(counters.get(HwEvent.INVVPID)).isEqualTo(3);
    intel.cpu.cpu.invvpidAll();
    assertThat(counters.get(HwEvent.INVVPID)).isEqualTo(4);
    intel.cpu.cpu.invlpga(SMALL, 1);
    assertThat(counters.get(HwEvent.INVLPGA)).isEqualTo(1);
  }

  @Test
  void resetDropsEverything() {
    assertThat(LiveMappings.of(intel.cpu)).isNotEmpty();
    intel.cpu.mappings.reset();
    assertThat(LiveMappings.of(intel.cpu)).isEmpty();
  }

  @Test
  void fullFlushDropsEverything() {
    assertThat(LiveMappings.of(intel.cpu)).isNotEmpty();
    intel.cpu.cpu.flush();
    assertThat(LiveMappings.of(intel.cpu)).isEmpty();
  }
}
