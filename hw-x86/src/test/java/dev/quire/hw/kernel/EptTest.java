// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.EptEntry;
import dev.quire.api.x86.NestedFault;
import dev.quire.hw.reference.Shape;
import java.util.EnumSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The table of EPT violations and misconfigurations, as the tests of hypervisors on Intel's CPUs
 * have it.
 */
class EptTest {
  private static final long PAGE = 0x12345678000L;
  private static final long DATA = 0x40000000L + 0x200000;
  private static final long READ = 0;
  private static final long WRITE = Access.WRITE;
  private static final long FETCH = Access.FETCH;
  private static final long[] ACCESSES = {READ, WRITE, FETCH};

  /** What the qualification says of a supervisor's page of the guest with every right. */
  private static final long PAGE_BITS = NestedFault.EPT_WRITABLE_PAGE | NestedFault.EPT_USER_PAGE;

  private static final long FINAL = NestedFault.EPT_LINEAR | NestedFault.EPT_FINAL | PAGE_BITS;

  private NestedGuest guest = guest(CpuProfile.full(Vendor.INTEL, 40));

  private static NestedGuest guest(CpuProfile profile) {
    return new NestedGuest(profile, null, Shape.FOUR_LEVEL, Format.EPT, 4)
        .map(PAGE, 1, DATA, Tables.PLAIN);
  }

  private void violates(long access, long qualification, long guestPhysical) {
    assertThat(guest.access(access, PAGE + 8)).isEqualTo(ExitReason.NESTED_FAULT);
    assertThat(guest.control.exitQualification())
        .as("qualification 0x%x", guest.control.exitQualification())
        .isEqualTo(qualification);
    assertThat(guest.control.exitGuestPhysical()).isEqualTo(guestPhysical);
    assertThat(guest.control.exitLinear()).isEqualTo(PAGE + 8);
  }

  private void isMisconfigured(long access, long guestPhysical) {
    assertThat(guest.access(access, PAGE + 8)).isEqualTo(ExitReason.EPT_MISCONFIGURATION);
    assertThat(guest.control.exitGuestPhysical()).isEqualTo(guestPhysical);
    assertThat(guest.control.exitQualification()).isZero();
  }

  private void isAllowed(long access) {
    assertThat(guest.access(access, PAGE + 8)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(DATA + 8);
  }

  private static long kind(long access) {
    return access == READ
        ? NestedFault.EPT_READ
        : access == WRITE ? NestedFault.EPT_WRITE : NestedFault.EPT_FETCH;
  }

  private static long need(long access) {
    return access == READ ? EptEntry.READ : access == WRITE ? EptEntry.WRITE : EptEntry.EXECUTE;
  }

  /** Every combination of rights on the page, 4 KiB and 2 MiB, for every access. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void everyRightOfTheDataPage(int level) {
    for (long rights = 0; rights < 8; rights++) {
      guest.nest(DATA, level, EptEntry.type(EptEntry.WB) | rights);
      boolean bad = (rights & 3) == 2; // writes without reads
      for (long access : ACCESSES) {
        if (bad) {
          isMisconfigured(access, DATA + 8);
        } else if ((rights & need(access)) != 0) {
          isAllowed(access);
        } else {
          violates(access, kind(access) | rights << 3 | FINAL, DATA + 8);
        }
      }
    }
  }

  @Test
  void executeOnlyIsAMisconfigurationWithoutTheCapability() {
    EnumSet<Feature> features = CpuProfile.allOf(Vendor.INTEL);
    features.remove(Feature.EPT_EXECUTE_ONLY);
    guest = guest(new CpuProfile(Vendor.INTEL, 40, features));
    guest.nest(DATA, 1, EptEntry.type(EptEntry.WB) | EptEntry.EXECUTE);
    isMisconfigured(FETCH, DATA + 8);
  }

  @Test
  void rightsOfAllLevelsCount() {
    long entry = guest.nested.get(DATA, 2);
    guest.nested.put(DATA, 2, entry & ~EptEntry.WRITE);
    violates(WRITE, NestedFault.EPT_WRITE | 5 << 3 | FINAL, DATA + 8);
    guest.nested.put(DATA, 2, entry & ~EptEntry.RIGHTS);
    violates(WRITE, NestedFault.EPT_WRITE | FINAL, DATA + 8);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 40", "1, 51", "2, 40", "2, 51", "2, 3", "2, 4", "2, 5", "2, 6", "3, 3", "3, 6", "3, 40",
    "4, 3", "4, 5", "4, 6", "4, 7", "4, 51"
  })
  void reservedBits(int level, int bit) {
    guest.nested.put(DATA, level, guest.nested.get(DATA, level) | 1L << bit);
    boolean shared = level == 4; // the guest's tables are below the same entry
    isMisconfigured(READ, shared ? guest.guest.entryAddress(PAGE, 4) : DATA + 8);
  }

  @ParameterizedTest
  @CsvSource({"2, 12", "2, 20", "3, 12", "3, 20", "3, 29"})
  void reservedBitsOfLargePages(int level, int bit) {
    guest.nest(DATA, level, NestedGuest.EPT_LEAF);
    isAllowed(READ);
    guest.nested.put(DATA, level, guest.nested.get(DATA, level) | 1L << bit);
    isMisconfigured(READ, DATA + 8);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void largePagesAreAMisconfigurationWithoutTheCapability(int level) {
    EnumSet<Feature> features = CpuProfile.allOf(Vendor.INTEL);
    features.remove(level == 2 ? Feature.EPT_2M : Feature.EPT_1G);
    guest = guest(new CpuProfile(Vendor.INTEL, 40, features));
    guest.nest(DATA, level, NestedGuest.EPT_LEAF);
    isMisconfigured(READ, DATA + 8);
  }

  @Test
  void memoryTypes() {
    for (int type = 0; type < 8; type++) {
      guest.nest(DATA, 1, EptEntry.RIGHTS | EptEntry.type(type));
      if (type == 2 || type == 3 || type == 7) {
        isMisconfigured(READ, DATA + 8);
      } else {
        isAllowed(READ);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {6, 7, 8, 9, 10, 11, 52, 57, 58, 62, 63})
  void ignoredBits(int bit) {
    guest.nested.put(DATA, 1, guest.nested.get(DATA, 1) | 1L << bit);
    isAllowed(READ);
    isAllowed(WRITE);
    isAllowed(FETCH);
  }

  /** Read-only is enough for the guest's tables, unless A or D must be set there. */
  @Test
  void guestsTablesWithoutAccessedAndDirty() {
    long entry = guest.guest.entryAddress(PAGE, 1);
    long table = entry & ~0xfffL;
    guest.nest(table, 1, EptEntry.type(EptEntry.WB) | EptEntry.READ);
    isAllowed(READ);
    isAllowed(WRITE);
    guest.guest.put(PAGE, 1, DATA | Tables.PLAIN & ~Tables.D);
    isAllowed(READ);
    long update =
        NestedFault.EPT_READ | NestedFault.EPT_WRITE | NestedFault.EPT_LINEAR | EptEntry.READ << 3;
    violates(WRITE, update, entry);
    guest.guest.put(PAGE, 1, DATA | Tables.PLAIN & ~Tables.D & ~Tables.A);
    violates(READ, update, entry);
    assertThat(guest.guest.get(PAGE, 1) & Tables.A).isZero();
    guest.nest(table, 1, EptEntry.type(EptEntry.WB) | EptEntry.EXECUTE);
    violates(READ, NestedFault.EPT_READ | NestedFault.EPT_LINEAR | EptEntry.EXECUTE << 3, entry);
  }

  /** All or nothing: no A bit of the guest's is set if another could not be. */
  @Test
  void oneTableThatCannotBeWrittenKeepsAllOthersUnchanged() {
    guest.guest.put(PAGE, 1, DATA | Tables.P | Tables.RW | Tables.US);
    guest.guest.put(PAGE, 3, guest.guest.get(PAGE, 3) & ~Tables.A);
    long entry = guest.guest.entryAddress(PAGE, 3);
    guest.nest(entry & ~0xfffL, 1, EptEntry.type(EptEntry.WB) | EptEntry.READ);
    assertThat(guest.access(WRITE, PAGE)).isEqualTo(ExitReason.NESTED_FAULT);
    assertThat(guest.control.exitGuestPhysical()).isEqualTo(entry);
    assertThat(guest.guest.get(PAGE, 1) & (Tables.A | Tables.D)).isZero();
  }

  /** With A and D flags every access to the guest's tables is a write, whatever is set there. */
  @Test
  void guestsTablesWithAccessedAndDirty() {
    guest.control.nested().accessedDirty = true;
    long entry = guest.guest.entryAddress(PAGE, 1);
    guest.nest(entry & ~0xfffL, 1, EptEntry.type(EptEntry.WB) | EptEntry.READ);
    long update =
        NestedFault.EPT_READ | NestedFault.EPT_WRITE | NestedFault.EPT_LINEAR | EptEntry.READ << 3;
    for (long access : ACCESSES) {
      violates(access, update, entry);
    }
  }

  @Test
  void accessedAndDirtyAreSetOnlyAsPerAccess() {
    guest.control.nested().accessedDirty = true;
    long root = guest.guest.root();
    isAllowed(READ);
    assertThat(guest.nested.get(DATA, 1) & (EptEntry.A | EptEntry.D)).isEqualTo(EptEntry.A);
    assertThat(guest.nested.get(DATA, 2) & (EptEntry.A | EptEntry.D)).isEqualTo(EptEntry.A);
    assertThat(guest.nested.get(root, 1) & EptEntry.D).isEqualTo(EptEntry.D);
    isAllowed(WRITE);
    assertThat(guest.nested.get(DATA, 1) & EptEntry.D).isEqualTo(EptEntry.D);
  }

  @Test
  void nothingIsSetWithoutTheFlagOfTheEptPointer() {
    isAllowed(WRITE);
    assertThat(guest.nested.get(DATA, 1) & (EptEntry.A | EptEntry.D)).isZero();
  }

  @Test
  void modificationLogging() {
    guest.control.nested().accessedDirty = true;
    guest.settle(READ, PAGE); // the guest's tables are dirty now
    long log = 0x9_0000_0000L;
    guest.control.nested().logging = true;
    guest.control.nested().pmlBase = log;
    isAllowed(READ);
    assertThat(guest.control.nested().pmlIndex).isEqualTo(511);
    isAllowed(WRITE);
    isAllowed(WRITE);
    assertThat(guest.control.nested().pmlIndex).isEqualTo(510);
    assertThat(guest.cpu.memory.load(log + 511 * 8, 8)).isEqualTo(DATA);
    guest.control.nested().pmlIndex = -1;
    guest.nest(DATA, 1, NestedGuest.EPT_LEAF);
    assertThat(guest.access(WRITE, PAGE + 8)).isEqualTo(ExitReason.PML_FULL);
    assertThat(guest.control.exitGuestPhysical()).isEqualTo(DATA + 8);
    assertThat(guest.nested.get(DATA, 1) & (EptEntry.A | EptEntry.D)).isZero();
    guest.control.nested().pmlIndex = 0;
    isAllowed(WRITE);
    assertThat(guest.cpu.memory.load(log, 8)).isEqualTo(DATA);
    assertThat(guest.control.nested().pmlIndex).isEqualTo(-1);
  }

  @Test
  void modeBasedExecuteTellsUserPagesFromSupervisorPages() {
    guest.control.nested().modeBasedExecute = true;
    long read = EptEntry.type(EptEntry.WB) | EptEntry.READ;
    guest.nest(DATA, 1, read | EptEntry.USER_EXECUTE);
    isAllowed(FETCH); // the page is a user's
    guest.guest.put(PAGE, 1, DATA | Tables.PLAIN & ~Tables.US);
    long supervisor = FINAL & ~NestedFault.EPT_USER_PAGE;
    violates(
        FETCH,
        NestedFault.EPT_FETCH | 1 << 3 | NestedFault.EPT_USER_EXECUTABLE | supervisor,
        DATA + 8);
    guest.nest(DATA, 1, read | EptEntry.EXECUTE);
    isAllowed(FETCH);
    guest.guest.put(PAGE, 1, DATA | Tables.PLAIN);
    violates(FETCH, NestedFault.EPT_FETCH | 5 << 3 | FINAL, DATA + 8);
    guest.nest(DATA, 1, EptEntry.type(EptEntry.WB) | EptEntry.USER_EXECUTE);
    isAllowed(FETCH); // present by bit 10 alone
  }

  @Test
  void addressesBeyondTheTablesAreNotMapped() {
    guest = guest(CpuProfile.full(Vendor.INTEL, 52));
    guest.guest.put(PAGE, 1, 1L << 48 | Tables.PLAIN);
    assertThat(guest.access(READ, PAGE)).isEqualTo(ExitReason.NESTED_FAULT);
    assertThat(guest.control.exitGuestPhysical()).isEqualTo(1L << 48);
    assertThat(guest.control.exitQualification()).isEqualTo(NestedFault.EPT_READ | FINAL);
  }

  /** Linear addresses are guest-physical ones, and count as user-mode addresses with all rights. */
  @Test
  void pagingOff() {
    guest.control.registers().cr0 = Cr0.PE;
    guest.control.registers().efer = 0;
    assertThat(guest.access(READ, DATA + 4)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(DATA + 4);
    guest.nest(DATA, 1, EptEntry.type(EptEntry.WB) | EptEntry.READ);
    assertThat(guest.access(WRITE, DATA + 4)).isEqualTo(ExitReason.NESTED_FAULT);
    assertThat(guest.control.exitQualification())
        .isEqualTo(NestedFault.EPT_WRITE | EptEntry.READ << 3 | FINAL);
    assertThat(guest.control.exitLinear()).isEqualTo(DATA + 4);
    assertThat(guest.cpu.counters.references(0, 1)).isEqualTo(2);
  }

  /** MOV to CR3 loads PDPTEs through EPT, as reads without a linear address. */
  @Test
  void pdptesAreLoadedThroughEpt() {
    guest = new NestedGuest(CpuProfile.full(Vendor.INTEL, 40), null, Shape.PAE, Format.EPT, 4);
    guest.control.nested().accessedDirty = true;
    long page = 0x40001000L;
    guest.map(page, 1, DATA, Tables.PLAIN);
    long[] pdptes = guest.control.registers().pdptes;
    long wanted = pdptes[1];
    pdptes[1] = 0;
    long table = guest.guest.root();
    guest.nest(table, 1, EptEntry.type(EptEntry.WB) | EptEntry.EXECUTE);
    assertThat(load(table)).isEqualTo(ExitReason.NESTED_FAULT);
    assertThat(guest.control.exitQualification())
        .isEqualTo(NestedFault.EPT_READ | EptEntry.EXECUTE << 3);
    assertThat(guest.control.exitGuestPhysical()).isEqualTo(table);
    assertThat(guest.control.exitLinear()).isZero();
    assertThat(pdptes[1]).isZero();
    guest.nest(table, 1, EptEntry.type(EptEntry.WB) | EptEntry.READ);
    assertThat(load(table)).isEqualTo(ExitReason.DONE);
    assertThat(pdptes[1]).isEqualTo(wanted);
    assertThat(guest.nested.get(table, 1) & (EptEntry.A | EptEntry.D)).isEqualTo(EptEntry.A);
    guest.guest.put(page, 3, wanted | 1L << 40);
    assertThat(load(table)).isEqualTo(ExitReason.FAULT);
  }

  private ExitReason load(long cr3) {
    guest.block.clear();
    guest.block.control(Kind.MOV_CR3, cr3);
    return guest.cpu.cpu.enter(guest.control, guest.block, Integer.MAX_VALUE);
  }

  @ParameterizedTest
  @CsvSource({"EPT_5_LEVEL", "EPT_AD", "MODE_BASED_EXECUTE", "PML", "EPT"})
  void entryFailsWithoutTheCapability(Feature missing) {
    EnumSet<Feature> features = CpuProfile.allOf(Vendor.INTEL);
    features.remove(missing);
    guest = guest(new CpuProfile(Vendor.INTEL, 40, features));
    guest.control.nested().levels = missing == Feature.EPT_5_LEVEL ? 5 : 4;
    guest.control.nested().accessedDirty = true;
    guest.control.nested().modeBasedExecute = missing == Feature.MODE_BASED_EXECUTE;
    guest.control.nested().logging = missing == Feature.PML;
    assertThatThrownBy(() -> guest.access(READ, PAGE))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("VM entry fails");
  }
}
