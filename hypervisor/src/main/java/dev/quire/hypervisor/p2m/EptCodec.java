// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;

/**
 * Extended page tables ({@code p2m-ept.c}; SDM vol. 3, 29.3.2).
 *
 * <pre>
 *   63 suppress #VE | 62..59 access | 57..52 type | 51..12 frame | 10 retyped
 *   | 9 D | 8 A | 7 superpage | 6 ignore PAT | 5..3 memory type | 2 x | 1 w | 0 r
 * </pre>
 *
 * Memory type 7 does not exist, so hardware traps on it: that is how an entry is pending. Bit 10 is
 * ours as long as mode-based execute control is off.
 */
final class EptCodec extends EntryCodec {
  private static final long READ = 1;
  private static final long WRITE = 1 << 1;
  private static final long EXECUTE = 1 << 2;
  private static final long RIGHTS = READ | WRITE | EXECUTE;
  private static final int MEMORY_TYPE_SHIFT = 3;
  private static final long MEMORY_TYPE = 7L << MEMORY_TYPE_SHIFT;
  private static final long IGNORE_PAT = 1L << 6;
  private static final long A = 1L << 8;
  private static final long D = 1L << 9;
  private static final long RETYPED = 1L << 10;
  private static final long SUPPRESS_VE = 1L << 63;

  private final TypeRules rules;
  private final MemoryTypes memoryTypes;
  private final boolean executableSuperpages;
  private final boolean executeOnly;

  EptCodec(TypeRules rules, MemoryTypes memoryTypes, P2mSettings settings) {
    super(P2mFormat.EPT, RIGHTS, RETYPED, RETYPED, MEMORY_TYPE, MEMORY_TYPE);
    this.rules = rules;
    this.memoryTypes = memoryTypes;
    this.executableSuperpages = settings.executableSuperpages();
    this.executeOnly = settings.executeOnly();
  }

  @Override
  long encode(long what, @Gfn long gfn, long frames, int level) {
    P2mType type = P2mEntry.type(what);
    boolean hasFrame = P2mEntry.hasFrame(what);
    if (!hasFrame && !type.is(P2mType.Group.NO_FRAME)) {
      return EMPTY;
    }
    long entry =
        (hasFrame ? P2mEntry.mfn(what) << Addresses.PAGE_SHIFT : FRAME)
            | (level > 1 ? SUPERPAGE : 0)
            | (long) type.ordinal() << TYPE_SHIFT
            | (long) P2mEntry.access(what).ordinal() << ACCESS_SHIFT
            | (P2mEntry.suppressesVe(what) ? SUPPRESS_VE : 0);
    if (!hasFrame) {
      return entry;
    }
    int memoryType = memoryTypes.effective(gfn, P2mEntry.mfn(what), frames, type);
    return entry
        | rights(type, P2mEntry.access(what), P2mEntry.mfn(what), frames, level)
        | (memoryType == MemoryTypes.MIXED
            ? MEMORY_TYPE // traps, and whoever resolves the trap splits
            : (long) MemoryTypes.type(memoryType) << MEMORY_TYPE_SHIFT
                | (MemoryTypes.ignoresPat(memoryType) ? IGNORE_PAT : 0));
  }

  private long rights(P2mType type, P2mAccess access, @Mfn long mfn, long frames, int level) {
    boolean logged = type == P2mType.RAM_LOGDIRTY && level == 1 && rules.logsInHardware();
    boolean writable = logged || rules.isWritable(type, mfn, frames);
    boolean executable = type.isExecutable() && (level == 1 || executableSuperpages);
    long rights =
        (type.isReadable() && access.isReadable() ? READ : 0)
            | (writable && access.isWritable() ? WRITE : 0)
            | (executable && access.isExecutable() ? EXECUTE : 0);
    // D stays clear where its setting by hardware is the event that is logged.
    long flags = type.isReadable() ? A | (writable && !logged ? D : 0) : 0;
    return rights | flags;
  }

  @Override
  long table(@Mfn long mfn) {
    return mfn << Addresses.PAGE_SHIFT | RIGHTS | A | SUPPRESS_VE;
  }

  @Override
  long mark(long entry, boolean types) {
    // What hardware cannot use needs no trap, but its type may change all the same.
    boolean concerned = isPresent(entry) || types && TypeRules.isChangeable(type(entry));
    return concerned && entry != EMPTY ? entry | MEMORY_TYPE | (types ? RETYPED : 0) : entry;
  }

  @Override
  long unmark(long entry) {
    return entry & ~(MEMORY_TYPE | RETYPED);
  }

  @Override
  boolean settlesWholeTables() {
    return true;
  }

  @Override
  boolean storesAccess() {
    return true;
  }

  @Override
  P2mAccess holeAccess() {
    return P2mAccess.N;
  }

  @Override
  int access(long entry) {
    return (int) (entry >>> ACCESS_SHIFT) & ACCESS_MASK;
  }

  @Override
  boolean suppressesVe(long entry) {
    return (entry & SUPPRESS_VE) != 0;
  }

  @Override
  long hardwareBits() {
    return A | D;
  }

  @Override
  boolean canHold(long what) {
    P2mType type = P2mEntry.type(what);
    // What may become RAM_RW without being asked again must be legal as that too.
    return !P2mEntry.hasFrame(what)
        || isLegal(what, type)
            && (!TypeRules.isChangeable(type.ordinal()) || isLegal(what, P2mType.RAM_RW));
  }

  private boolean isLegal(long what, P2mType type) {
    return isLegal(rights(type, P2mEntry.access(what), P2mEntry.mfn(what), 1, 1) & RIGHTS);
  }

  /** SDM vol. 3, 29.3.3.1: everything else is a misconfiguration. */
  private boolean isLegal(long rights) {
    return (rights & READ) != 0 || rights == 0 || rights == EXECUTE && executeOnly;
  }

  @Override
  String illegal(long entry, int level, long frames) {
    if (!isPresent(entry)) {
      return "";
    }
    if (!isLegal(entry & RIGHTS)) {
      return "rights that are a misconfiguration";
    }
    if (isTable(entry, level)) {
      boolean reserved = (entry & (MEMORY_TYPE | IGNORE_PAT)) != 0 && !isPending(entry);
      return reserved ? "reserved bits in a table's entry" : "";
    }
    int memoryType = (int) ((entry & MEMORY_TYPE) >>> MEMORY_TYPE_SHIFT);
    if (memoryType == 2 || memoryType == 3) {
      return "memory type " + memoryType;
    }
    return isAligned(entry, frames) ? "" : "a superpage that is not aligned";
  }
}
