// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.PageEntry;

/**
 * Writable pagetables: a store of the guest's kernel to a level-1 table that it sees read-only is
 * checked and made in its place ({@code pv_ro_page_fault}). What cannot be made is the guest's page
 * fault.
 */
final class WritableTables {
  private static final int ENTRY = Long.BYTES;

  private final PvVcpu vcpu;
  private long emulated;

  WritableTables(PvVcpu vcpu) {
    this.vcpu = vcpu;
  }

  long emulated() {
    return emulated;
  }

  /**
   * The operation that the vCPU came out of was a write to a present page that it may not write.
   */
  Resolution store(@Gva long faulting, OperationBlock block) {
    long mapping = vcpu.level1Entry(faulting);
    if ((mapping & (PageEntry.P | PageEntry.RW)) != PageEntry.P) {
      return Resolution.INJECT;
    }
    int at = block.next();
    long operation = block.operations()[at];
    boolean exchange = Operation.isControl(operation);
    boolean data = exchange || (operation & Operation.DATA) != 0;
    int bytes = data ? block.sizes()[at] : 1;
    boolean wide = data || (operation & Operation.WIDE) != 0;
    long linear = wide ? block.moreOperands()[at] : Operation.linear(operation);
    boolean natural = (linear & bytes - 1) == 0 && (linear ^ faulting) >>> 12 == 0;
    @Mfn long mfn = EntryRules.target(mapping);
    vcpu.work().forgetReason();
    if (!natural || !vcpu.domain().tables().updates().lockLevel1(mfn, vcpu.work())) {
      return Resolution.INJECT;
    }
    @Maddr long byteAt = Addresses.mfnToMaddr(mfn, Addresses.pageOffset(linear));
    boolean done = !data || write(block, at, byteAt, bytes, exchange);
    vcpu.domain().tables().updates().unlockLevel1(mfn);
    if (!done) {
      if (vcpu.refusal() == PvRule.TERMINAL_FAULT) {
        return Resolution.FIXED; // it is made again when the domain runs on other tables
      }
      vcpu.answer(Errno.EINVAL);
      return Resolution.INJECT;
    }
    block.reached()[at] = byteAt;
    emulated++;
    return Resolution.EMULATED;
  }

  /** Makes it a store to the whole entry. */
  private boolean write(
      OperationBlock block, int at, @Maddr long byteAt, int bytes, boolean exchange) {
    PhysicalMemory memory = vcpu.vcpu().domain().machine().memory();
    @Maddr long entry = Addresses.alignDown(byteAt, ENTRY);
    int shift = (int) (byteAt - entry) * Byte.SIZE;
    long mask = (-1L >>> Long.SIZE - bytes * Byte.SIZE) << shift;
    long around = memory.load(entry, ENTRY) & ~mask;
    EntryUpdate updates = vcpu.domain().tables().updates();
    if (!exchange) {
      long value = around | block.operands()[at] << shift & mask;
      Errno done = updates.emulate(entry, false, 0, value, vcpu.work());
      boolean upperHalf = vcpu.domain().isCompat() && bytes == Integer.BYTES && shift != 0;
      if (done == Errno.OK || done == Errno.ERESTART || !upperHalf) {
        return done.isOk();
      }
      // the lower half is likely to follow: until then the entry is not present
      return updates.emulate(entry, false, 0, value & ~PageEntry.P, vcpu.work()).isOk();
    }
    long expected = around | block.operands()[at] << shift & mask;
    long value = around | block.results()[at] << shift & mask;
    Errno result = updates.emulate(entry, true, expected, value, vcpu.work());
    if (result.isOk() || result == Errno.EAGAIN) {
      long found = result.isOk() ? expected : memory.load(entry, ENTRY);
      block.results()[at] = (found & mask) >>> shift;
      return true;
    }
    return false;
  }
}
