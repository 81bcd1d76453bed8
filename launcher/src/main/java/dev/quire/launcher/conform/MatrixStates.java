// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import java.util.ArrayList;
import java.util.List;

/**
 * The states of the access matrix, after kvm-unit-tests' {@code x86/access.c}: every combination of
 * the flags of the entries, of the CPU and of the access, without those that nothing can tell
 * apart. A large page has no PTE; keys count where CR4.PKE is set, AC where CR4.SMAP is; of the
 * bits that must be zero one is set at a time.
 */
final class MatrixStates {
  /** MAXPHYADDR for which bit 36 of an entry must be zero, as bit 51 must for any that is real. */
  static final int PHYSICAL_BITS = 36;

  /** Guest frames: the tables, the page, and the first of the large page. */
  static final long PML4 = 1;

  static final long PDPT = 2;
  static final long PD = 3;
  static final long PT = 4;
  static final long PAGE = 5;
  static final long LARGE_PAGE = 0x200;

  /** The address: where its entries lie in the tables. */
  static final int PML4_INDEX = 1;

  static final int PDPT_INDEX = 2;
  static final int PD_INDEX = 3;
  static final int PT_INDEX = 4;

  private static final int KEY = 1;
  private static final long KEY_BITS = (long) KEY << PageEntry.KEY_SHIFT;
  private static final long BIT_13 = 1L << 13;
  private static final long BIT_36 = 1L << 36;
  private static final long BIT_51 = 1L << 51;

  private static final long[] PTE_FLAGS = {
    PageEntry.P, PageEntry.RW, PageEntry.US, PageEntry.A, PageEntry.D, PageEntry.NX
  };
  private static final long[] TABLE_FLAGS = {
    PageEntry.P, PageEntry.RW, PageEntry.US, PageEntry.A, PageEntry.NX
  };
  private static final long[] CR4_FLAGS = {Cr4.SMEP, Cr4.SMAP, Cr4.PKE};

  private MatrixStates() {}

  /**
   * What a CPU is set to.
   *
   * @param alignmentCheck EFLAGS.AC of supervisor accesses
   */
  record CpuState(long cr0, long cr4, long efer, int pkru, boolean alignmentCheck) {
    @Override
    public String toString() {
      return String.format(
          "WP=%d SMEP=%d SMAP=%d AC=%d PKE=%d PKRU=0x%x NXE=%d",
          bit(cr0, Cr0.WP),
          bit(cr4, Cr4.SMEP),
          bit(cr4, Cr4.SMAP),
          alignmentCheck ? 1 : 0,
          bit(cr4, Cr4.PKE),
          pkru,
          bit(efer, Efer.NXE));
    }

    private static int bit(long register, long mask) {
      return (register & mask) != 0 ? 1 : 0;
    }
  }

  /** What the last entries of the walk hold. */
  record Entries(long pdpte, long pde, long pte) {}

  static List<CpuState> cpus() {
    List<CpuState> cpus = new ArrayList<>();
    for (long cr0 : combinations(Cr0.PE | Cr0.ET | Cr0.NE | Cr0.PG, Cr0.WP)) {
      for (long efer : combinations(Efer.LME | Efer.LMA, Efer.NXE)) {
        for (long cr4 : combinations(Cr4.PAE | Cr4.PSE, CR4_FLAGS)) {
          for (int rights = 0; rights < ((cr4 & Cr4.PKE) != 0 ? 4 : 1); rights++) {
            cpus.add(new CpuState(cr0, cr4, efer, rights << 2 * KEY, false));
            if ((cr4 & Cr4.SMAP) != 0) {
              cpus.add(new CpuState(cr0, cr4, efer, rights << 2 * KEY, true));
            }
          }
        }
      }
    }
    return cpus;
  }

  static List<Entries> entries() {
    List<Entries> all = new ArrayList<>();
    long top = PD << 12 | PageEntry.P | PageEntry.US | PageEntry.A;
    for (long pdpte : combinations(top, PageEntry.RW)) {
      tables(all, pdpte);
      for (long pde : combinations(LARGE_PAGE << 12 | PageEntry.PS | KEY_BITS, PTE_FLAGS)) {
        for (long reserved : new long[] {0, BIT_13, BIT_36, BIT_51}) {
          all.add(new Entries(pdpte, pde | reserved, 0));
        }
      }
    }
    return all;
  }

  private static void tables(List<Entries> all, long pdpte) {
    for (long pde : combinations(PT << 12, TABLE_FLAGS)) {
      for (long pte : combinations(PAGE << 12 | KEY_BITS, PTE_FLAGS)) {
        all.add(new Entries(pdpte, pde, pte));
        for (long reserved : new long[] {BIT_36, BIT_51}) {
          all.add(new Entries(pdpte, pde | reserved, pte));
          all.add(new Entries(pdpte, pde, pte | reserved));
        }
      }
    }
  }

  /** Reads, writes and fetches of either privilege; AC is the CPU's. */
  static long[] accesses(CpuState cpu) {
    long[] accesses = new long[6];
    long[] kinds = {0, Access.WRITE, Access.FETCH};
    for (int i = 0; i < accesses.length; i++) {
      accesses[i] = Access.of(kinds[i / 2], i % 2 != 0, cpu.alignmentCheck());
    }
    return accesses;
  }

  private static long[] combinations(long base, long... flags) {
    long[] all = new long[1 << flags.length];
    for (int i = 0; i < all.length; i++) {
      all[i] = base;
      for (int flag = 0; flag < flags.length; flag++) {
        all[i] |= (i >>> flag & 1) != 0 ? flags[flag] : 0;
      }
    }
    return all;
  }
}
