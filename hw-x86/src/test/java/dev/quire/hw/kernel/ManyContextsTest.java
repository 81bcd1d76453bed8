// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr4;
import dev.quire.hw.reference.Shape;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * More VPIDs and roots than have numbers at a time: a number that is given anew is no one's, and an
 * invalidation finds its contexts however many numbers are in use. The guest's page lies elsewhere
 * under each nested root, so that what is reached tells whose mapping it was.
 */
class ManyContextsTest {
  private static final long PAGE = 0x7f0000001000L;
  private static final long DATA = 0x7000000;
  private static final long FIRST_ROOT = 0x8_8000_0000L;
  private static final int CONTEXTS = 70;

  private final long[] roots = new long[CONTEXTS];

  private NestedGuest guest(Format format) {
    CpuProfile profile = CpuProfile.full(format == Format.NPT ? Vendor.AMD : Vendor.INTEL, 40);
    NestedGuest guest = new NestedGuest(profile, PrimedCpu.WHOLE, Shape.FOUR_LEVEL, format, 4);
    guest.map(PAGE, 1, DATA, Tables.PLAIN);
    guest.control.registers().cr4 |= Cr4.PGE | Cr4.PCIDE;
    long table = guest.guest.get(PAGE, 2) & 0xffffff000L;
    for (int i = 0; i < roots.length; i++) {
      Tables tables =
          new Tables(
              guest.cpu.memory,
              Shape.FOUR_LEVEL,
              FIRST_ROOT + 0x100000L * i,
              format == Format.EPT ? NestedGuest.EPT_ALL : NestedGuest.NPT_ALL,
              at -> at);
      for (long page = guest.guest.root(); page <= table; page += 4096) {
        tables.map(page, 1, page + NestedGuest.OFFSET, guest.nested.get(page, 1) & 0xfff);
      }
      tables.map(DATA, 1, DATA + NestedGuest.OFFSET + 4096L * i, guest.nested.get(DATA, 1) & 0xfff);
      roots[i] = tables.root();
    }
    return guest;
  }

  /** Enters a context and reads the page, which must be that context's. */
  private void use(NestedGuest guest, int tag, int context) {
    guest.control.tag(tag);
    guest.control.nested().root = roots[context];
    assertThat(guest.access(0, PAGE)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).as("context %s", context).isEqualTo(DATA + 4096L * context);
  }

  @ParameterizedTest
  @CsvSource({"NPT, true", "NPT, false", "EPT, true", "EPT, false"})
  void noneReachesWhatIsAnothers(Format format, boolean combined) {
    NestedGuest guest = guest(format);
    for (int i = 0; i < 2 * CONTEXTS; i++) {
      if (i == 1) {
        useOneMoreNumberOfCombinedMappings(guest, roots[0]);
      }
      for (int context : new int[] {i % CONTEXTS, 0}) { // which stays in every cache
        if (!combined) {
          guest.cpu.cpu.invvpidAll(); // so that guest-physical mappings are used
        }
        use(guest, 1 + (format == Format.NPT ? context : context & 1), context);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void noneReachesWhatIsAnothersInARow(boolean combined) {
    NestedGuest guest = guest(Format.EPT);
    for (int i = 0; i < 2 * CONTEXTS; i++) {
      if (!combined) {
        guest.cpu.cpu.invvpidAll();
      }
      use(guest, 1, i % CONTEXTS);
    }
  }

  /**
   * As many roots as have numbers, some fewer, and one: INVEPT finds one root and leaves others.
   */
  @ParameterizedTest
  @ValueSource(ints = {1, 7, 47, 48})
  void inveptFindsARootAmongSoMany(int used) {
    NestedGuest guest = guest(Format.EPT);
    for (int i = 0; i < used; i++) {
      use(guest, 1, i);
    }
    int last = used - 1;
    guest.cpu.cpu.invept(roots[last]);
    assertThat(LiveMappings.of(guest.cpu)).noneMatch(it -> it.root() == roots[last]);
    assertThat(LiveMappings.of(guest.cpu)).hasSizeGreaterThanOrEqualTo(used > 1 ? 8 : 0);
    guest.cpu.cpu.inveptAll();
    assertThat(LiveMappings.of(guest.cpu)).isEmpty();
  }

  /** The same of VPIDs. */
  @ParameterizedTest
  @ValueSource(ints = {1, 7, 47, 48})
  void invvpidFindsAVpidAmongSoMany(int used) {
    NestedGuest guest = guest(Format.EPT);
    for (int i = 0; i < used; i++) {
      use(guest, 1 + i, i);
    }
    guest.cpu.cpu.invvpidContext(used);
    assertThat(LiveMappings.of(guest.cpu)).noneMatch(it -> it.vpid() == used);
    guest.cpu.cpu.invvpidAll();
    assertThat(LiveMappings.of(guest.cpu)).allMatch(LiveMappings.Entry::isGuestPhysical);
  }

  /** So that the numbers of the two kinds of mappings do not run out at once. */
  private static void useOneMoreNumberOfCombinedMappings(NestedGuest guest, long root) {
    Tables tables = new Tables(guest.cpu.memory, Shape.FOUR_LEVEL, 0x9_0000_0000L);
    tables.map(PAGE, 1, DATA, Tables.PLAIN);
    guest.control.tag(200);
    Format format = guest.control.nested().format;
    guest.control.nested().format = Format.NONE;
    guest.control.registers().cr3 = tables.root();
    assertThat(guest.access(0, PAGE)).isEqualTo(ExitReason.DONE);
    guest.control.nested().format = format;
    guest.control.nested().root = root;
    guest.control.registers().cr3 = guest.guest.root();
    assertThat(format == Format.NPT ? ExitReason.DONE : guest.access(0, PAGE))
        .isEqualTo(ExitReason.DONE);
  }
}
