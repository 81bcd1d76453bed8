// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.x86.PageEntry;

/**
 * x86-64 entries, as NPT and shadow paging use them ({@code p2m-pt.c}).
 *
 * <pre>
 *   63 NX | 58..52 type | 51..12 frame | 7 superpage | 6 D | 5 A | 4 PCD | 3 PWT | 2 U/S | 1 R/W | 0 P
 * </pre>
 *
 * Nested walks are user accesses, so every present entry has U/S set unless it is pending. A and D
 * are set from the start: nobody reads them, and hardware need not write them. What hardware must
 * not use has P clear and still carries type and frame.
 */
final class X86Codec extends EntryCodec {
  private static final long BASE = PageEntry.P | PageEntry.US | PageEntry.A | PageEntry.D;
  private static final long NOT_PENDING = PageEntry.P | PageEntry.US;
  private static final int TYPE_BITS = 0x7f;

  private final TypeRules rules;

  X86Codec(TypeRules rules) {
    super(P2mFormat.X86, PageEntry.P, NOT_PENDING, PageEntry.P, NOT_PENDING, PageEntry.P);
    this.rules = rules;
  }

  @Override
  long encode(long what, @Gfn long gfn, long frames, int level) {
    P2mType type = P2mEntry.type(what);
    boolean hasFrame = P2mEntry.hasFrame(what);
    if (!hasFrame && !type.is(P2mType.Group.NO_FRAME)) {
      return EMPTY;
    }
    long frame = hasFrame ? P2mEntry.mfn(what) << Addresses.PAGE_SHIFT : FRAME;
    long flags = hasFrame ? flags(type, P2mEntry.mfn(what), frames) : PageEntry.NX;
    return flags | frame | (long) type.ordinal() << TYPE_SHIFT | (level > 1 ? SUPERPAGE : 0);
  }

  private long flags(P2mType type, @Mfn long mfn, long frames) {
    if (!type.isReadable()) {
      return PageEntry.NX;
    }
    boolean writable = rules.isWritable(type, mfn, frames);
    long flags = BASE | (writable ? PageEntry.RW : 0) | (type.isExecutable() ? 0 : PageEntry.NX);
    if (type == P2mType.MMIO_DIRECT) {
      flags |= PageEntry.PCD | (writable ? 0 : PageEntry.PWT); // UC-, which MTRRs may relax; or UC
    }
    return flags;
  }

  @Override
  long table(@Mfn long mfn) {
    return mfn << Addresses.PAGE_SHIFT | BASE | PageEntry.RW;
  }

  @Override
  long mark(long entry, boolean types) {
    return types && isPresent(entry) ? entry & ~PageEntry.US : entry; // no memory types here
  }

  @Override
  long unmark(long entry) {
    return entry | PageEntry.US;
  }

  @Override
  boolean settlesWholeTables() {
    return false;
  }

  @Override
  boolean storesAccess() {
    return false;
  }

  @Override
  P2mAccess holeAccess() {
    return P2mAccess.RWX;
  }

  @Override
  int access(long entry) {
    return P2mAccess.RWX.ordinal();
  }

  @Override
  boolean suppressesVe(long entry) {
    return true;
  }

  @Override
  long hardwareBits() {
    return PageEntry.A | PageEntry.D;
  }

  @Override
  boolean canHold(long what) {
    return P2mEntry.access(what) == P2mAccess.RWX && P2mEntry.suppressesVe(what)
        || !P2mEntry.hasFrame(what);
  }

  @Override
  String illegal(long entry, int level, long frames) {
    if (!isPresent(entry)) {
      return "";
    }
    if (isTable(entry, level)) {
      return (entry >>> TYPE_SHIFT & TYPE_BITS) == 0 ? "" : "a table with a type";
    }
    return isAligned(entry, frames) ? "" : "a superpage that is not aligned";
  }
}
