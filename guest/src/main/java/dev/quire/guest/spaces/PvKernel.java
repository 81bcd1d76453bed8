// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.spaces;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.StartInfo;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.guest.InputException;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;

/**
 * The part of a 64-bit Linux-like kernel that speaks to Xen about pagetables: it finds its memory
 * by {@link StartInfo}, hands out frames, writes tables as data, makes them read-only, pins them,
 * loads them. Everything is done by operations of the vCPU.
 */
final class PvKernel {
  /** Frames that are no address space's: start_info, bootstrap tables, requests. */
  static final long RESERVED = 64;

  private static final int MMU_UPDATE = 1;
  private static final int UPDATE_VA_MAPPING = 14;
  private static final int MMUEXT_OP = 26;
  private static final long SELF = 0x7ff0;
  private static final int PIN_L4 = 3;
  private static final int UNPIN = 4;
  private static final int NEW_BASEPTR = 5;
  private static final int INVLPG_ALL = 2 | 4;
  private static final long KERNEL = Access.of(0, false, false);
  private static final long KERNEL_ENTRY = PageEntry.P | PageEntry.A | PageEntry.D;

  private final Vcpu vcpu;
  private final OperationBlock block = new OperationBlock(4096);
  private final long[] mfns;
  private final long request;
  private final long bootRoot;
  private long nextFree;

  /** Reads what the guest begins with. */
  PvKernel(Vcpu vcpu) {
    this.vcpu = vcpu;
    mfns = new long[(int) load(StartInfo.BASE + StartInfo.PAGES)];
    long list = load(StartInfo.BASE + StartInfo.MFN_LIST);
    for (int gfn = 0; gfn < mfns.length; gfn++) {
      mfns[gfn] = load(list + gfn * 8L);
    }
    bootRoot = gfn(load(StartInfo.BASE + StartInfo.PAGETABLES));
    nextFree = bootRoot + load(StartInfo.BASE + StartInfo.PAGETABLE_FRAMES);
    request = allocate();
  }

  private static long gfn(long linear) {
    return linear - StartInfo.BASE >>> Addresses.PAGE_SHIFT;
  }

  /** Where a frame is mapped that the kernel sees all its memory by. */
  static long direct(long gfn) {
    return StartInfo.BASE + (gfn << Addresses.PAGE_SHIFT);
  }

  /** A frame that nobody uses yet. */
  long allocate() {
    if (nextFree == mfns.length) {
      throw new InputException("pv-spaces: the domain's " + mfns.length + " frames do not suffice");
    }
    return nextFree++;
  }

  /** An entry that maps a frame. */
  long entry(long gfn, long flags) {
    return mfns[(int) gfn] << Addresses.PAGE_SHIFT | flags;
  }

  // ---- memory ----

  long load(long linear) {
    block.clear();
    int at = block.load(KERNEL, Addresses.gva(linear), Long.BYTES);
    run("a load");
    return block.results()[at];
  }

  void store(long linear, long value) {
    block.clear();
    block.store(KERNEL, Addresses.gva(linear), Long.BYTES, value);
    run("a store");
  }

  private void run(String what) {
    RunResult result = vcpu.run(block);
    if (result != RunResult.DONE) {
      throw new IllegalStateException(
          String.format(
              "%s of the kernel's ended with %s: %s", what, result, vcpu.domain().crashReason()));
    }
  }

  // ---- tables ----

  /** Gives a new root the kernel's part of the address space. */
  void copyKernelSlots(long root) {
    int first = (int) (StartInfo.BASE >>> 39) & 511;
    for (int slot = first; slot < 512; slot++) {
      long entry = load(direct(bootRoot) + slot * 8L);
      if ((entry & PageEntry.P) != 0) {
        store(direct(root) + slot * 8L, entry);
      }
    }
  }

  /** Makes a frame read-only, or writable again, in the kernel's own mapping. */
  void protect(long gfn, boolean readOnly) {
    long entry = entry(gfn, KERNEL_ENTRY | (readOnly ? 0 : PageEntry.RW));
    call(UPDATE_VA_MAPPING, direct(gfn), entry, INVLPG_ALL, 0);
  }

  void pin(long root) {
    extended(PIN_L4, root);
  }

  void unpin(long root) {
    extended(UNPIN, root);
  }

  /** Goes to another address space. */
  void load(long root, boolean firstRequest) {
    if (firstRequest) {
      store(direct(request), NEW_BASEPTR);
    }
    store(direct(request) + 8, mfns[(int) root]);
    call(MMUEXT_OP, direct(request), 1, 0, SELF);
  }

  /** Goes back to the tables that the guest began with. */
  void leave() {
    load(bootRoot, true);
  }

  /** Changes an entry of a table that is in use. */
  void update(long table, int slot, long entry) {
    store(direct(request), mfns[(int) table] << Addresses.PAGE_SHIFT | (long) slot << 3);
    store(direct(request) + 8, entry);
    call(MMU_UPDATE, direct(request), 1, 0, SELF);
  }

  private void extended(long command, long gfn) {
    store(direct(request), command);
    store(direct(request) + 8, mfns[(int) gfn]);
    call(MMUEXT_OP, direct(request), 1, 0, SELF);
  }

  private void call(int number, long first, long second, long third, long fourth) {
    block.clear();
    int at = block.hypercall(number, first, second, third, fourth, 0);
    run("a hypercall");
    if (block.results()[at] != 0) {
      throw new IllegalStateException(
          "hypercall " + number + " was answered with " + block.results()[at]);
    }
  }
}
