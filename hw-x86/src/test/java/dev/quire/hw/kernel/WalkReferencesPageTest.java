// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.hw.reference.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The page of references per walk says what is measured. */
class WalkReferencesPageTest {
  private static final Path PAGE = Path.of("../docs/walks.md");
  private static final String[] SIZES = {"4 KiB", "2 MiB", "1 GiB"};
  private static final long LINEAR = 0x40000000L;
  private static final long DATA = 0x80000000L;

  private static final String HEAD =
      """
      # References per walk

      How many entries of page tables one walk reads, measured on the machine: each number below is the sum of
      `references` over one access ([counters.md](counters.md)). Both dimensions map pages of the size in the
      first column, the guest's own tables included. *Cold*: nothing is cached. *Warm*: a neighbouring page was
      accessed before, so that the paging-structure caches of both dimensions hold all above the last entry, and
      the TLBs miss.

      A cold walk of *g* levels over *n* nested ones reads *g* entries of the guest's, each after *n* nested
      ones, and *n* more for the address that it ends with: *g* + *n* + *gn*. For four on four that is 24, the
      number that Bhargava, Serebrin, Spadini and Manne give (Accelerating Two-Dimensional Page Walks for
      Virtualized Systems, ASPLOS 2008); for five on five it is 35. The nested TLB, which can serve a table that
      was located before, makes the cold walk of a CPU with caches shorter where tables share nested pages.

      | page | native | NPT | EPT | native, 5 levels | EPT, 5 on 5 | native, warm | NPT, warm | EPT, warm |
      |---|---|---|---|---|---|---|---|---|
      """;

  @Test
  void pageIsWhatIsMeasured() throws IOException {
    StringBuilder page = new StringBuilder(HEAD);
    for (int level = 1; level <= 3; level++) {
      page.append("| ").append(SIZES[level - 1]);
      for (long count :
          new long[] {
            nativeWalk(Shape.FOUR_LEVEL, level, null),
            nestedWalk(Shape.FOUR_LEVEL, Format.NPT, level, null),
            nestedWalk(Shape.FOUR_LEVEL, Format.EPT, level, null),
            nativeWalk(Shape.FIVE_LEVEL, level, null),
            nestedWalk(Shape.FIVE_LEVEL, Format.EPT, level, null),
            nativeWalk(Shape.FOUR_LEVEL, level, PrimedCpu.WHOLE),
            nestedWalk(Shape.FOUR_LEVEL, Format.NPT, level, PrimedCpu.WHOLE),
            nestedWalk(Shape.FOUR_LEVEL, Format.EPT, level, PrimedCpu.WHOLE)
          }) {
        page.append(" | ").append(count);
      }
      page.append(" |\n");
    }
    if (System.getProperty("docs.write") != null) {
      Files.writeString(PAGE, page);
    }
    assertThat(PAGE).as("run with -Ddocs.write to write it").hasContent(page.toString());
  }

  private static long size(int level) {
    return 1L << 12 + 9 * (level - 1);
  }

  private static NestedGuest guest(Shape shape, Format format, @Nullable TlbGeometry tlb) {
    Vendor vendor = format == Format.NPT ? Vendor.AMD : Vendor.INTEL;
    int levels = shape.levels();
    return new NestedGuest(CpuProfile.full(vendor, 40), tlb, shape, format, levels);
  }

  private static long nestedWalk(Shape shape, Format format, int level, @Nullable TlbGeometry tlb) {
    NestedGuest guest = guest(shape, format, tlb);
    for (int i = 0; i < 2; i++) {
      guest.map(LINEAR + i * size(level), level, DATA + i * size(level), Tables.PLAIN);
    }
    long leaf = format == Format.EPT ? NestedGuest.EPT_LEAF : Tables.PLAIN;
    if (level > 1) {
      guest.nest(0, level, leaf);
      guest.nest(DATA, level, leaf);
      guest.nest(DATA + size(level), level, leaf);
    }
    return measured(guest, level, tlb != null);
  }

  /** The same guest, with its tables in machine memory and nothing below. */
  private static long nativeWalk(Shape shape, int level, @Nullable TlbGeometry tlb) {
    NestedGuest guest = guest(shape, Format.EPT, tlb);
    Tables tables = new Tables(guest.cpu.memory, shape, 0x9_0000_0000L);
    for (int i = 0; i < 2; i++) {
      tables.map(LINEAR + i * size(level), level, DATA + i * size(level), Tables.PLAIN);
    }
    guest.control.nested().clear();
    guest.control.registers().cr3 = tables.root();
    return measured(guest, level, tlb != null);
  }

  private static long measured(NestedGuest guest, int level, boolean warm) {
    long neighbour = LINEAR + size(level);
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.DONE);
    assertThat(guest.access(0, neighbour)).isEqualTo(ExitReason.DONE); // A is set everywhere
    guest.cpu.cpu.flush();
    if (warm) {
      assertThat(guest.access(0, neighbour)).isEqualTo(ExitReason.DONE);
    }
    guest.cpu.counters.reset();
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.DONE);
    return guest.cpu.counters.references();
  }
}
