// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import dev.quire.api.x86.CpuProfile.Feature;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The second dimension's tables as data, for NPT and EPT alike: what makes an entry present, which
 * bits must be zero at each level, where rights, A and D are, which rights each {@link
 * NestedAccess} needs and what an exit says of it (APM vol. 2, 15.25; SDM vol. 3, 29.3). Immutable;
 * a walker is specialised to one of these.
 */
public final class NestedRules {
  private static final long EPT_TABLE_RESERVED = 0x78; // bits 6:3
  private static final long EPT_TOP_RESERVED = 0xf8; // bits 7:3
  private static final long EPT_TYPE_BITS = EptEntry.type(7);

  /**
   * Where an entry has its rights, A and D. A record, since the compiler trusts the fields of
   * records that are constants.
   *
   * @param ept whether the entries are EPT's
   * @param modeBasedExecute whether bit 10 of an EPT entry counts
   * @param accessed the A bit, 0 if there is none
   * @param dirty the D bit, 0 if there is none
   */
  public record Layout(boolean ept, boolean modeBasedExecute, long accessed, long dirty) {
    private static final long FETCH =
        NestedTranslation.EXECUTABLE | NestedTranslation.USER_EXECUTABLE;

    /** The rights of one entry, as a {@link NestedTranslation} has them. */
    public long rights(long entry) {
      if (ept) {
        long user = modeBasedExecute ? entry >>> 3 : entry << 5; // bit 10, or bit 2, as bit 7
        return entry & EptEntry.RIGHTS | user & NestedTranslation.USER_EXECUTABLE;
      }
      return entry & PageEntry.RW | entry >>> 2 & NestedTranslation.READABLE | ~entry >> 63 & FETCH;
    }

    /**
     * What an entry that maps a page gives to a {@link NestedTranslation}, less the rights, which
     * depend on the whole walk.
     *
     * @param format of the tables
     */
    public long leaf(long entry, int level, PagingFormat format) {
      boolean isDirty = dirty == 0 || (entry & dirty) != 0;
      return entry & PageEntry.FRAME & -1L << format.shift(level)
          | Translation.PRESENT
          | (long) (level - 1) << Translation.SIZE_SHIFT
          | (isDirty ? NestedTranslation.DIRTY : 0);
    }
  }

  /**
   * What the plain entries of a level have in common. Nearly all entries are plain: present,
   * accessed, well formed, and referring to a table (at level 1, mapping a page). One that is not
   * is no worse, but must be judged bit by bit. A record, since the compiler trusts the fields of
   * records that are constants.
   *
   * @param bits what is set
   * @param mask which bits decide
   */
  public record Plain(long bits, long mask) {
    /** Whether an entry is plain. */
    public boolean is(long entry) {
      return ((entry ^ bits) & mask) == 0;
    }
  }

  private final PagingFormat format;
  private final boolean ept;
  private final boolean modeBasedExecute;
  private final Layout layout;
  private final long present;
  private final long accessed;

  /** Bit n: an entry whose bits 2:0 are n is a misconfiguration. */
  private final int badRights;

  /** The same where bit 10 of the entry is set and counts. */
  private final int badRightsUser;

  /** By level: bits that must be zero in an entry that refers to a table. */
  private final long[] tableReserved;

  /** By level: bits that must be zero in an entry that maps a page. */
  private final long[] pageReserved;

  /** By level: the PS bit where it is honoured. */
  private final long[] pageSizeBit;

  private final Plain[] plain;

  private final long[] needs = new long[NestedAccess.KINDS];
  private final long[] qualification = new long[NestedAccess.KINDS];

  private NestedRules(Shape shape) {
    format = shape.format;
    ept = shape.ept;
    modeBasedExecute = shape.modeBasedExecute;
    present = shape.present;
    accessed = shape.accessed;
    layout = new Layout(ept, modeBasedExecute, accessed, shape.dirty);
    badRights = shape.badRights;
    badRightsUser = shape.badRightsUser;
    tableReserved = shape.tableReserved;
    pageReserved = shape.pageReserved;
    pageSizeBit = shape.pageSizeBit;
    plain = new Plain[format.levels() + 1];
    for (int level = 1; level < plain.length; level++) {
      boolean last = level == 1;
      long type = ept && last ? EptEntry.type(EptEntry.WB) : 0;
      long types = ept && last ? EPT_TYPE_BITS : 0;
      long zero = reserved(level, last) | pageSizeBit[level];
      plain[level] = new Plain(1 | accessed | type, 1 | accessed | types | zero); // 1 is P, or R
    }
    for (int kind = 0; kind < NestedAccess.KINDS; kind++) {
      needs[kind] = needs(kind);
      qualification[kind] = ept ? eptQualification(kind) : nptQualification(kind);
    }
  }

  /** What the two formats fill in, each its own way. */
  private static final class Shape {
    private final PagingFormat format;
    private final boolean ept;
    private final long[] tableReserved;
    private final long[] pageReserved;
    private final long[] pageSizeBit;
    private boolean modeBasedExecute;
    private long present;
    private long accessed;
    private long dirty;
    private int badRights;
    private int badRightsUser;

    Shape(PagingFormat format, boolean ept) {
      this.format = format;
      this.ept = ept;
      tableReserved = new long[format.levels() + 1];
      pageReserved = new long[format.levels() + 1];
      pageSizeBit = new long[format.levels() + 1];
    }
  }

  /**
   * NPT: the host's own tables, walked with user accesses.
   *
   * @param format {@link PagingFormat#FOUR_LEVEL}, or one with narrower tables
   * @param noExecute the host's EFER.NXE
   */
  public static NestedRules npt(CpuProfile profile, PagingFormat format, boolean noExecute) {
    long efer = Efer.LME | Efer.LMA | (noExecute ? Efer.NXE : 0);
    PagingRules host = new PagingRules(format, profile, Cr0.PE | Cr0.PG, Cr4.PAE, efer);
    Shape shape = new Shape(format, false);
    shape.present = PageEntry.P;
    shape.accessed = PageEntry.A;
    shape.dirty = PageEntry.D;
    for (int level = 1; level <= format.levels(); level++) {
      shape.tableReserved[level] = host.reserved(level, false);
      shape.pageReserved[level] = host.reserved(level, true);
      shape.pageSizeBit[level] = level > 1 && host.mapsPage(PageEntry.PS, level) ? PageEntry.PS : 0;
    }
    return new NestedRules(shape);
  }

  /**
   * EPT.
   *
   * @param format of four or five levels, or one with narrower tables
   * @param accessedDirty bit 6 of the EPTP
   * @param modeBasedExecute the execution control
   */
  public static NestedRules ept(
      CpuProfile profile, PagingFormat format, boolean accessedDirty, boolean modeBasedExecute) {
    Shape shape = new Shape(format, true);
    shape.modeBasedExecute = modeBasedExecute;
    shape.present = EptEntry.RIGHTS | (modeBasedExecute ? EptEntry.USER_EXECUTE : 0);
    shape.accessed = accessedDirty ? EptEntry.A : 0;
    shape.dirty = accessedDirty ? EptEntry.D : 0;
    boolean executeOnly = profile.has(Feature.EPT_EXECUTE_ONLY);
    int writeOnly = 1 << 2 | 1 << 6; // -w- and -wx
    shape.badRights = writeOnly | (executeOnly ? 0 : 1 << 4); // --x
    shape.badRightsUser = shape.badRights | (executeOnly ? 0 : 1);
    for (int level = 1; level <= format.levels(); level++) {
      boolean pages = mapsEptPages(profile, level);
      long belowFrame = (1L << format.shift(level)) - (1L << PagingFormat.PAGE_SHIFT);
      shape.tableReserved[level] =
          profile.addressesBeyond() | (pages ? EPT_TABLE_RESERVED : EPT_TOP_RESERVED);
      shape.pageReserved[level] = profile.addressesBeyond() | belowFrame;
      shape.pageSizeBit[level] = pages ? EptEntry.PAGE : 0;
    }
    return new NestedRules(shape);
  }

  private static boolean mapsEptPages(CpuProfile profile, int level) {
    return level == 2 && profile.has(Feature.EPT_2M) || level == 3 && profile.has(Feature.EPT_1G);
  }

  private long needs(int kind) {
    long read = NestedTranslation.READABLE;
    long write = read | NestedTranslation.WRITABLE | NestedTranslation.DIRTY;
    long always = ept ? 0 : read; // U/S counts for fetches too
    return switch (kind) {
      case NestedAccess.WRITE, NestedAccess.TABLE_UPDATE -> write;
      case NestedAccess.FETCH -> always | NestedTranslation.EXECUTABLE;
      case NestedAccess.USER_FETCH -> always | NestedTranslation.USER_EXECUTABLE;
      case NestedAccess.TABLE -> tablesAreWritten() ? write : read;
      default -> read;
    };
  }

  private static long nptQualification(int kind) {
    long where =
        kind == NestedAccess.TABLE || kind == NestedAccess.TABLE_UPDATE
            ? NestedFault.NPT_TABLE | NestedFault.NPT_WRITE
            : NestedFault.NPT_FINAL;
    boolean fetch = kind == NestedAccess.FETCH || kind == NestedAccess.USER_FETCH;
    return NestedFault.NPT_USER
        | where
        | (kind == NestedAccess.WRITE ? NestedFault.NPT_WRITE : 0)
        | (fetch ? NestedFault.NPT_FETCH : 0);
  }

  private long eptQualification(int kind) {
    long both = NestedFault.EPT_READ | NestedFault.EPT_WRITE;
    long last = NestedFault.EPT_LINEAR | NestedFault.EPT_FINAL;
    return switch (kind) {
      case NestedAccess.READ -> last | NestedFault.EPT_READ;
      case NestedAccess.WRITE -> last | NestedFault.EPT_WRITE;
      case NestedAccess.FETCH, NestedAccess.USER_FETCH -> last | NestedFault.EPT_FETCH;
      case NestedAccess.TABLE ->
          NestedFault.EPT_LINEAR | (tablesAreWritten() ? both : NestedFault.EPT_READ);
      case NestedAccess.TABLE_UPDATE -> NestedFault.EPT_LINEAR | both;
      default -> NestedFault.EPT_READ;
    };
  }

  /** The shape of the tables. */
  public PagingFormat format() {
    return format;
  }

  /** Whether the entries are {@link EptEntry EPT's}; otherwise {@link PageEntry the host's own}. */
  public boolean isEpt() {
    return ept;
  }

  /** Whether bit 10 of an EPT entry counts. */
  public boolean isModeBasedExecute() {
    return modeBasedExecute;
  }

  /** NPT: whether bit 63 of an entry forbids fetches; otherwise it is reserved. */
  public boolean isNoExecute() {
    return !ept && (tableReserved[1] & PageEntry.NX) == 0;
  }

  /** Whether every access to the guest's tables is a write: NPT, and EPT with A and D flags. */
  public boolean tablesAreWritten() {
    return accessed != 0;
  }

  /** Where entries have their rights, A and D. */
  public Layout layout() {
    return layout;
  }

  /** Whether an entry is present. */
  public boolean isPresent(long entry) {
    return (entry & present) != 0;
  }

  /** Whether an entry of {@code level} maps a page. */
  public boolean mapsPage(long entry, int level) {
    return level == 1 || (entry & pageSizeBit[level]) != 0;
  }

  /** Bits of an entry of {@code level} that must be zero, given whether it maps a page. */
  public long reserved(int level, boolean mapsPage) {
    return mapsPage ? pageReserved[level] : tableReserved[level];
  }

  /**
   * Which rule makes a present entry one that no table may hold.
   *
   * @return null if it is well formed
   */
  public @Nullable FaultRule malformation(long entry, int level) {
    boolean page = mapsPage(entry, level);
    boolean reserved = (entry & reserved(level, page)) != 0;
    if (!ept) {
      return reserved ? FaultRule.NESTED_RESERVED_BIT : null;
    }
    boolean user = modeBasedExecute && (entry & EptEntry.USER_EXECUTE) != 0;
    if (((user ? badRightsUser : badRights) >>> (entry & EptEntry.RIGHTS) & 1) != 0) {
      return FaultRule.EPT_RIGHTS_COMBINATION;
    }
    if (reserved) {
      return FaultRule.EPT_RESERVED_BIT;
    }
    return page && !EptEntry.isType(EptEntry.typeOf(entry)) ? FaultRule.EPT_MEMORY_TYPE : null;
  }

  /** What the plain entries of a level have in common. */
  public Plain plain(int level) {
    return plain[level];
  }

  /** Whether an entry maps a page, is well formed and has A where there is such a flag. */
  public boolean isAccessedPage(long entry, int level) {
    return isPresent(entry)
        && (entry & accessed) == accessed
        && mapsPage(entry, level)
        && malformation(entry, level) == null;
  }

  /** What a {@link NestedTranslation} must have for a {@link NestedAccess}; D among it. */
  public long needed(int kind) {
    return needs[kind];
  }

  /** Whether a {@link NestedAccess} sets D. */
  public boolean isWrite(int kind) {
    return (needs[kind] & NestedTranslation.DIRTY) != 0;
  }

  /** Which right is missing for an access that is not permitted. */
  public FaultRule refusal(long rights, int kind) {
    if ((rights & needs[kind] & NestedTranslation.READABLE)
        != (needs[kind] & NestedTranslation.READABLE)) {
      return ept ? FaultRule.NESTED_NOT_READABLE : FaultRule.NESTED_SUPERVISOR;
    }
    return isWrite(kind) ? FaultRule.NESTED_READ_ONLY : FaultRule.NESTED_NO_EXECUTE;
  }

  /**
   * What an exit says: EXITINFO1, or the exit qualification less what the guest's translation adds.
   *
   * @param kind of {@link NestedAccess}
   * @param rule why the walk was refused
   * @param rights of all entries together; none if one was not present
   */
  public long qualification(int kind, FaultRule rule, long rights) {
    if (!ept) {
      return qualification[kind]
          | (rule == FaultRule.NESTED_NOT_PRESENT ? 0 : NestedFault.NPT_PRESENT)
          | (rule == FaultRule.NESTED_RESERVED_BIT ? NestedFault.NPT_RESERVED : 0);
    }
    boolean user = modeBasedExecute && (rights & NestedTranslation.USER_EXECUTABLE) != 0;
    return qualification[kind]
        | (rights & EptEntry.RIGHTS) << NestedFault.EPT_RIGHTS_SHIFT
        | (user ? NestedFault.EPT_USER_EXECUTABLE : 0);
  }

  /**
   * What a guest's translation adds to the qualification of an EPT violation on the final address
   * (advanced exit information; SDM vol. 3, table 28-7: bits 11:9).
   *
   * @param guest a {@link Translation}
   */
  public long pageInformation(long guest) {
    return !ept
        ? 0
        : ((guest & Translation.USER) != 0 ? NestedFault.EPT_USER_PAGE : 0)
            | ((guest & Translation.WRITABLE) != 0 ? NestedFault.EPT_WRITABLE_PAGE : 0)
            | ((guest & Translation.EXECUTABLE) == 0 ? NestedFault.EPT_NO_EXECUTE_PAGE : 0);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof NestedRules that
        && format.equals(that.format)
        && ept == that.ept
        && modeBasedExecute == that.modeBasedExecute
        && accessed == that.accessed
        && badRightsUser == that.badRightsUser
        && Arrays.equals(tableReserved, that.tableReserved)
        && Arrays.equals(pageReserved, that.pageReserved);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(tableReserved) * 31 + format.hashCode();
  }
}
