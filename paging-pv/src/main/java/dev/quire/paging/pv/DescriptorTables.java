// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.x86.PageEntry;
import java.util.Arrays;

/**
 * The GDT and LDT of one vCPU: frames of descriptors, each held by a general and a type reference.
 * GDT frames are taken when the table is set, all or none; those of the LDT one by one, when the
 * CPU first looks for a descriptor in them.
 */
final class DescriptorTables {
  private static final int PER_FRAME = 512;
  private static final int MOST_LOCAL = 8192;
  private static final long DESCRIPTORS = FrameWords.of(FrameType.SEG_DESC);
  private static final @Mfn long NONE = Addresses.mfn(FrameMapper.NONE);

  private final PvVcpu vcpu;
  private final DomainHost host;
  private final @Mfn long[] gdt = new long[Descriptors.FIRST_RESERVED_ENTRY / PER_FRAME];
  private int gdtFrames;
  private final @Mfn long[] ldt = new long[MOST_LOCAL / PER_FRAME];
  private @Gva long ldtBase;
  private int ldtEntries;
  private final long[] list = new long[Descriptors.FIRST_RESERVED_ENTRY / PER_FRAME];

  DescriptorTables(PvVcpu vcpu) {
    this.vcpu = vcpu;
    host = vcpu.domain().host();
    Arrays.fill(ldt, NONE);
  }

  /** {@code set_gdt}: the list of machine frames, and how many descriptors they hold. */
  Errno setGdt(@Gva long frameList, long entries) {
    if (Long.compareUnsigned(entries & 0xffffffffL, Descriptors.FIRST_RESERVED_ENTRY) > 0) {
      return refuse(PvRule.ARGUMENT, Errno.EINVAL);
    }
    int count = ((int) entries + PER_FRAME - 1) / PER_FRAME;
    if (!vcpu.copy().read(frameList, count, list)) {
      return refuse(PvRule.POINTER, Errno.EFAULT);
    }
    for (int taken = 0; taken < count; taken++) {
      if (!take(Addresses.mfn(list[taken]))) {
        while (taken-- > 0) {
          put(Addresses.mfn(list[taken]));
        }
        return Errno.EINVAL;
      }
    }
    dropGdt();
    System.arraycopy(list, 0, gdt, 0, count);
    gdtFrames = count;
    host.flush(vcpu.number());
    return Errno.OK;
  }

  /**
   * {@code update_descriptor}.
   *
   * @param pointer machine address of the descriptor
   */
  Errno update(@Maddr long pointer, long descriptor) {
    FrameTable frames = vcpu.frames();
    @Mfn long mfn = Addresses.maddrToMfn(pointer);
    if ((pointer & Long.BYTES - 1) != 0) {
      return refuse(PvRule.ARGUMENT, Errno.EINVAL);
    }
    if (mfn >= frames.end() || !frames.get(mfn, vcpu.domain().id())) {
      return refuse(PvRule.NOT_THE_DOMAINS_FRAME, Errno.EINVAL);
    }
    Errno result = update(mfn, pointer, descriptor);
    frames.put(mfn);
    return result;
  }

  private Errno update(@Mfn long mfn, @Maddr long pointer, long descriptor) {
    if (!Descriptors.isAllowed(descriptor)) {
      return refuse(PvRule.DESCRIPTOR, Errno.EINVAL);
    }
    FrameTable frames = vcpu.frames();
    FrameType now = FrameWords.type(frames.typeWord(mfn));
    FrameType wanted = now == FrameType.SEG_DESC ? now : FrameType.WRITABLE;
    if (!frames.getType(mfn, FrameWords.of(wanted), vcpu.work()).isOk()) {
      return refuse(PvRule.TYPE_IN_USE, Errno.EINVAL);
    }
    long adjusted = Descriptors.adjusted(descriptor);
    vcpu.domain().tables().writes().store(pointer, Long.BYTES, adjusted);
    frames.putType(mfn, Addresses.mfn(FrameTable.NO_PARENT), false, vcpu.work());
    return Errno.OK;
  }

  /** {@code MMUEXT_SET_LDT}. */
  Errno setLdt(@Gva long base, int entries) {
    boolean some = entries != 0;
    boolean bad = some && (Addresses.pageOffset(base) != 0 || !vcpu.copy().isGuests(base));
    if (Integer.compareUnsigned(entries, MOST_LOCAL) > 0 || bad) {
      return refuse(PvRule.ARGUMENT, Errno.EINVAL);
    }
    @Gva long start = some ? base : Addresses.gva(0);
    if (ldtEntries != entries || ldtBase != start) {
      if (dropLdt()) {
        host.flush(vcpu.number());
      }
      ldtBase = start;
      ldtEntries = entries;
    }
    return Errno.OK;
  }

  /**
   * The CPU has looked for a descriptor of the LDT and found its page not mapped ({@code
   * pv_map_ldt_shadow_page}).
   *
   * @param selector index of the descriptor
   * @return whether it is there now
   */
  boolean mapLdt(int selector) {
    if (selector >= ldtEntries) {
      return false; // the limit holds, whatever was mapped there once (XSA-298)
    }
    int page = selector / PER_FRAME;
    if (ldt[page] != NONE) {
      return true;
    }
    @Gva long linear = Addresses.advance(ldtBase, (long) page << Addresses.PAGE_SHIFT);
    long entry = vcpu.level1Entry(linear);
    vcpu.work().forgetReason();
    if ((entry & PageEntry.P) == 0 || !take(EntryRules.target(entry))) {
      return false;
    }
    ldt[page] = EntryRules.target(entry);
    return true;
  }

  /** Lets go of the LDT's frames; answers whether there were any. */
  boolean dropLdt() {
    boolean any = false;
    for (int page = 0; page < ldt.length; page++) {
      if (ldt[page] != NONE) {
        put(ldt[page]);
        ldt[page] = NONE;
        any = true;
      }
    }
    return any;
  }

  /** Lets go of the GDT's frames. */
  void dropGdt() {
    while (gdtFrames > 0) {
      gdtFrames--;
      put(gdt[gdtFrames]);
    }
  }

  /** Tells an audit what is held. */
  void count(Recount recount) {
    for (int at = 0; at < gdtFrames; at++) {
      recount.held(gdt[at], 1, 1);
    }
    for (@Mfn long mfn : ldt) {
      if (mfn != NONE) {
        recount.held(mfn, 1, 1);
      }
    }
  }

  private boolean take(@Mfn long mfn) {
    FrameTable frames = vcpu.frames();
    if (mfn < 0 || mfn >= frames.end() || !frames.get(mfn, vcpu.domain().id())) {
      vcpu.work().because(PvRule.NOT_THE_DOMAINS_FRAME);
      return false;
    }
    if (frames.getType(mfn, DESCRIPTORS, vcpu.work()).isOk()) {
      return true;
    }
    frames.put(mfn);
    vcpu.work().because(PvRule.TYPE_IN_USE);
    return false;
  }

  private void put(@Mfn long mfn) {
    FrameTable frames = vcpu.frames();
    frames.putType(mfn, Addresses.mfn(FrameTable.NO_PARENT), false, vcpu.work());
    frames.put(mfn);
  }

  private Errno refuse(PvRule rule, Errno error) {
    vcpu.work().because(rule);
    return error;
  }
}
