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

  /** What a plain entry has set. */
  private static final long PLAIN = PageEntry.P | PageEntry.A;

  private final PagingFormat format;
  private final int rights;

  /** The G bit where CR4.PGE = 1. */
  private final long globalBit;

  /**
   * The key bits of a {@link Translation} in long mode, whether or not keys are in force: CR4.PKE
   * and CR4.PKS may be set later without a flush.
   */
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
   * The rights rule and D, worked out for every combination of attributes and access where no key
   * denies anything: a bit each: W, U, X, G, D and the flags of the access above them.
   */
  private final long[] sufficient = new long[8];

  private final boolean keysInForce;

  /** The same for level 1 in fields of their own: every walk to a small page ends with them. */
  private final long lastFrameMask;

  private final long lastPlain;

  /** By level: the bits that {@link #isPlain} looks at. */
  private final long[] plain = new long[HIGHEST_LEVEL + 1];

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
    this.keysInForce = (rights & (Rights.USER_KEYS | Rights.SUPERVISOR_KEYS)) != 0;
    this.keyBits = format.isLongMode() ? PageEntry.KEY_MASK << Translation.KEY_SHIFT : 0;
    boolean pse36 = format.entryBytes() == 4 && profile.has(Feature.PSE36);
    this.pse36Bits = pse36 ? 0x1fe000L : 0;
    for (int level = 1; level <= format.levels(); level++) {
      long everywhere = reservedEverywhere(profile, efer);
      pageSizeBit[level] = pageSizeHonoured(level, profile, cr4) ? PageEntry.PS : 0;
      tableReserved[level] = everywhere | reservedInTable(level, profile);
      pageReserved[level] = everywhere | reservedInPage(level, profile);
      frameMask[level] = format.frameMask() & -1L << format.shift(level);
      plain[level] = PLAIN | pageSizeBit[level] | reserved(level, level == 1);
    }
    this.lastPlain = plain[1];
    for (int i = 0; i < 64 * sufficient.length; i++) {
      sufficient[i >>> 6] |= isSufficient(i & 31, (long) i >>> 5 << 60) ? 1L << i : 0;
    }
    this.lastFrameMask = frameMask[1];
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

  private boolean isSufficient(long translation, long access) {
    boolean dirtyEnough = (translation & Translation.DIRTY) != 0 || (access & Access.WRITE) == 0;
    return dirtyEnough && Rights.permit(translation, access, rights, 0, 0);
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

  /**
   * Whether an access may use a translation as it is: rights, and D for a write. {@link
   * Rights#permit} in one look-up, for the paths that cannot afford to ask it.
   *
   * @param translation of {@link Translation}, not a fault
   * @param access flags of {@link Access}; other bits are ignored
   * @param pkru the register
   * @param pkrs the register
   */
  public boolean suffices(long translation, long access, int pkru, int pkrs) {
    if (keysInForce && ((pkru | pkrs) >>> 2 * Translation.key(translation) & 3) != 0) {
      boolean dirtyEnough = (translation & Translation.DIRTY) != 0 || (access & Access.WRITE) == 0;
      return dirtyEnough && Rights.permit(translation, access, rights, pkru, pkrs);
    }
    int combination = (int) translation & 31 | (int) (access >>> 60) << 5;
    return (sufficient[combination >>> 6] >>> combination & 1) != 0;
  }

  /**
   * Whether an entry is what nearly all are: present, accessed, without reserved bits, and
   * referring to a table (at level 1, mapping a page). One comparison for the fast road of a walk;
   * an entry that is not plain is no worse for it, but must be judged bit by bit.
   */
  public boolean isPlain(long entry, int level) {
    return ((entry ^ PLAIN) & (level == 1 ? lastPlain : plain[level])) == 0;
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
    if (level == 1) {
      return entry & lastFrameMask;
    }
    long frame = entry & frameMask[level];
    return level == 2 ? frame | (entry & pse36Bits) << 19 : frame;
  }

  /** The address of the table that an entry refers to. */
  public long table(long entry) {
    return entry & format.frameMask();
  }
}
