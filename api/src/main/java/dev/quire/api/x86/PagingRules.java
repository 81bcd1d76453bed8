// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import org.jspecify.annotations.Nullable;

/**
 * What CR0, CR4 and EFER make of a {@link PagingFormat} on one CPU: which bits are reserved at each
 * level, where PS is honoured, and the flags of the rights rule. Immutable; made when a register
 * changes, read by every walk (SDM vol. 3, tables 4-4 to 4-20; APM vol. 2, 5.3).
 */
public final class PagingRules {
  private static final int HIGHEST_LEVEL = 5;

  private final PagingFormat format;
  private final int rights;

  /** The G bit where CR4.PGE = 1. */
  private final long globalBit;

  /** The key bits of a {@link Translation} where keys are in force. */
  private final long keyBits;

  /** Bits 20:13 of a level-2 entry that are address bits 39:32. */
  private final long pse36Bits;

  /** By level: bits that must be zero in an entry that refers to a table. */
  private final long[] tableReserved = new long[HIGHEST_LEVEL + 1];

  /** By level: bits that must be zero in an entry that maps a page. */
  private final long[] pageReserved = new long[HIGHEST_LEVEL + 1];

  /**
   * By level: the PS bit where it is honoured. At level 1 nothing is needed, every entry maps a
   * page.
   */
  private final long[] pageSizeBit = new long[HIGHEST_LEVEL + 1];

  /** By level: the bits of an entry that are the address of the page it maps. */
  private final long[] frameMask = new long[HIGHEST_LEVEL + 1];

  /**
   * The rules for a format.
   *
   * @param format a format that {@code cr0}, {@code cr4} and {@code efer} select, or a small one
   * @param profile the CPU
   */
  public PagingRules(PagingFormat format, CpuProfile profile, long cr0, long cr4, long efer) {
    this.format = format;
    this.globalBit = (cr4 & Cr4.PGE) != 0 ? PageEntry.G : 0;
    this.rights = rights(format, cr0, cr4, efer);
    boolean keys = (rights & (Rights.USER_KEYS | Rights.SUPERVISOR_KEYS)) != 0;
    this.keyBits = keys ? PageEntry.KEY_MASK << Translation.KEY_SHIFT : 0;
    boolean pse36 = format.entryBytes() == 4 && profile.has(Feature.PSE36);
    this.pse36Bits = pse36 ? 0x1fe000L : 0;
    for (int level = 1; level <= format.levels(); level++) {
      long everywhere = reservedEverywhere(profile, efer);
      pageSizeBit[level] = pageSizeHonoured(level, profile, cr4) ? PageEntry.PS : 0;
      tableReserved[level] = everywhere | reservedInTable(level, profile);
      pageReserved[level] = everywhere | reservedInPage(level, profile);
      frameMask[level] = format.frameMask() & -1L << format.shift(level);
    }
  }

  /**
   * The rules that a set of registers selects.
   *
   * @return null with CR0.PG = 0
   */
  public static @Nullable PagingRules of(CpuProfile profile, long cr0, long cr4, long efer) {
    if ((cr0 & Cr0.PG) == 0) {
      return null;
    }
    return new PagingRules(format(cr4, efer), profile, cr0, cr4, efer);
  }

  /** The format that CR4 and EFER select with CR0.PG = 1 (SDM vol. 3, 4.1.1). */
  public static PagingFormat format(long cr4, long efer) {
    if ((efer & Efer.LMA) != 0) {
      return (cr4 & Cr4.LA57) != 0 ? PagingFormat.FIVE_LEVEL : PagingFormat.FOUR_LEVEL;
    }
    return (cr4 & Cr4.PAE) != 0 ? PagingFormat.PAE : PagingFormat.TWO_LEVEL;
  }

  private static int rights(PagingFormat format, long cr0, long cr4, long efer) {
    boolean nx = (efer & Efer.NXE) != 0 && format.entryBytes() == 8;
    boolean smep = (cr4 & Cr4.SMEP) != 0;
    return ((cr0 & Cr0.WP) != 0 ? Rights.WRITE_PROTECT : 0)
        | (smep ? Rights.SMEP : 0)
        | ((cr4 & Cr4.SMAP) != 0 ? Rights.SMAP : 0)
        | ((cr4 & Cr4.PKE) != 0 && format.isLongMode() ? Rights.USER_KEYS : 0)
        | ((cr4 & Cr4.PKS) != 0 && format.isLongMode() ? Rights.SUPERVISOR_KEYS : 0)
        | (nx || smep ? Rights.REPORT_FETCH : 0);
  }

  private long reservedEverywhere(CpuProfile profile, long efer) {
    if (format.entryBytes() == 4) {
      return 0;
    }
    long high = profile.addressesBeyond();
    if (format.rootInRegisters()) {
      high |= 0x7ff0000000000000L; // PAE knows neither ignored high bits nor keys
    }
    return (efer & Efer.NXE) != 0 ? high : high | PageEntry.NX;
  }

  private boolean pageSizeHonoured(int level, CpuProfile profile, long cr4) {
    if (level < 2 || level > format.topPageLevel()) {
      return false;
    }
    if (format.entryBytes() == 4) {
      return (cr4 & Cr4.PSE) != 0;
    }
    return level == 2 || profile.has(Feature.PAGE_1G);
  }

  private long reservedInTable(int level, CpuProfile profile) {
    if (format.entryBytes() == 4 || level == 1) {
      return 0;
    }
    if (format.rootInRegisters() && level == format.levels()) {
      return 0x1e6L | PageEntry.NX; // PDPTE: bits 2:1 and 8:5; SDM vol. 3, table 4-8
    }
    long reserved = pageSizeBit[level] == 0 ? PageEntry.PS : 0;
    boolean amdRoot = level >= 4 && profile.vendor() == Vendor.AMD;
    return amdRoot ? reserved | PageEntry.G : reserved; // APM vol. 2, 5.3.3: PML4E and PML5E bit 8
  }

  private long reservedInPage(int level, CpuProfile profile) {
    if (level == 1) {
      return 0;
    }
    long belowFrame = (1L << format.shift(level)) - (1L << PagingFormat.PAGE_SHIFT + 1);
    if (format.entryBytes() == 8) {
      return belowFrame; // bit 12 is PAT
    }
    int addressBits = pse36Bits != 0 ? Math.min(profile.physicalBits(), 40) : 32;
    long addressHigh = (1L << addressBits - 32) - 1 << PagingFormat.PAGE_SHIFT + 1;
    return belowFrame & ~addressHigh; // SDM vol. 3, table 4-4: bits 21:(M-19)
  }

  /** The format these rules are about. */
  public PagingFormat format() {
    return format;
  }

  /** The flags of {@link Rights}. */
  public int rights() {
    return rights;
  }

  /** Bits of an entry of {@code level} that make it a fault, given whether it maps a page. */
  public long reserved(int level, boolean mapsPage) {
    return mapsPage ? pageReserved[level] : tableReserved[level];
  }

  /** Whether an entry of {@code level} maps a page. */
  public boolean mapsPage(long entry, int level) {
    return level == 1 || (entry & pageSizeBit[level]) != 0;
  }

  /**
   * The attributes and frame that an entry which maps a page gives to a {@link Translation}, less
   * the rights R/W, U/S and XD, which depend on the whole walk.
   *
   * @param entry present and without reserved bits
   * @param level of the entry
   */
  public long leaf(long entry, int level) {
    long dirty = (entry & PageEntry.D) >>> 2;
    long global = (entry & globalBit) >>> 5;
    long key = entry >>> PageEntry.KEY_SHIFT - Translation.KEY_SHIFT & keyBits;
    long size = (long) (level - 1) << Translation.SIZE_SHIFT;
    return frame(entry, level) | Translation.PRESENT | key | size | dirty | global;
  }

  /** The address of the page that an entry of {@code level} maps. */
  public long frame(long entry, int level) {
    long frame = entry & frameMask[level];
    return level == 2 ? frame | (entry & pse36Bits) << 19 : frame;
  }

  /** The address of the table that an entry refers to. */
  public long table(long entry) {
    return entry & format.frameMask();
  }
}
