// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import dev.quire.hypervisor.GuestMemory.Kind;

/**
 * Does one operation in the hardware's place, because it touches what hardware may not reach: a
 * device, memory whose writes are discarded, or what a backend wants to see written. The guest's
 * own tables are walked in software and get their A and D bits; the operation is wholly done or not
 * begun. Xen's {@code handle_mmio} and {@code x86_emulate}, as far as memory goes.
 */
final class TrappedOperation {
  private final GuestVcpu vcpu;
  private final GuestMemory memory;
  private final WalkedTables tables;

  /** Where the bytes of the operation lie: the first, and the first of the second page. */
  private @Gpa long first = Addresses.gpa(0);

  private @Gpa long second = Addresses.gpa(0);
  private int bytes;
  private int firstBytes;

  TrappedOperation(GuestVcpu vcpu) {
    this.vcpu = vcpu;
    this.memory = vcpu.domain().memory();
    this.tables = new WalkedTables(vcpu.domain());
  }

  /**
   * Does it.
   *
   * @param block its next operation is the one
   */
  Resolution emulate(Cpu cpu, OperationBlock block) {
    int at = block.next();
    long operation = block.operations()[at];
    boolean control = Operation.isControl(operation);
    boolean exchange = control && Operation.kind(operation) == Operation.Kind.COMPARE_EXCHANGE;
    if (control && !exchange) { // of the others only register writes read memory: PDPTEs
      return RegisterWriteExit.handle(vcpu, cpu, block);
    }
    boolean data = exchange || (operation & Operation.DATA) != 0;
    boolean wide = data || (operation & Operation.WIDE) != 0;
    long access = access(operation);
    @Gva long linear = wide ? Addresses.gva(block.moreOperands()[at]) : Operation.linear(operation);
    bytes = data ? block.sizes()[at] : 1;
    if (!locate(access, linear)) {
      return Resolution.INJECT;
    }
    if (memory.kind(frame(first)) == Kind.ABSENT || memory.kind(frame(second)) == Kind.ABSENT) {
      return Resolution.CRASH;
    }
    perform(block, at, access, data, exchange);
    block.reached()[at] = reached();
    return Resolution.EMULATED;
  }

  /** What kind of access an operation makes. */
  static long access(long operation) {
    return Operation.isControl(operation)
        ? operation & (Access.USER | Access.SMAP_EXEMPT) | Access.WRITE // compare-and-exchange
        : operation & Access.MASK;
  }

  private static @Gfn long frame(@Gpa long gpa) {
    return Addresses.gpaToGfn(gpa);
  }

  private long reached() {
    @Mfn long mfn = memory.toMachine(frame(first));
    return memory.kind(frame(first)) == Kind.DEVICE
        ? OperationBlock.DEVICE | first
        : Addresses.mfnToMaddr(mfn, Addresses.pageOffset(first));
  }

  // ---- translation ----

  /**
   * Translates the one or two pages; false if the guest gets a fault, which is in the control
   * block.
   */
  private boolean locate(long access, @Gva long address) {
    @Gva long linear = wrapped(address);
    firstBytes = (int) Math.min(bytes, Addresses.PAGE_SIZE - Addresses.pageOffset(linear));
    long found = translate(access, linear);
    if (found < 0) {
      return false;
    }
    first = Addresses.gpa(found);
    second = first;
    if (firstBytes == bytes) {
      return true;
    }
    found = translate(access, wrapped(Addresses.advance(linear, firstBytes)));
    second = Addresses.gpa(found);
    return found >= 0;
  }

  /** Outside long mode linear addresses have 32 bits, and wrap. */
  private @Gva long wrapped(@Gva long linear) {
    boolean paged = (vcpu.registers().cr0 & Cr0.PG) != 0;
    boolean wide = paged && (vcpu.registers().efer & Efer.LMA) != 0;
    return wide ? linear : Addresses.gva(linear & 0xffffffffL);
  }

  private long translate(long access, @Gva long linear) {
    tables.clear();
    long found = vcpu.walk(linear, access, PageWalker.LOOK_ONLY, tables, null);
    if (!Translation.isFault(found) && (vcpu.registers().cr0 & Cr0.PG) != 0) {
      found = mayUpdateTables() ? vcpu.walk(linear, access, true, null) : found;
    }
    if (Translation.isFault(found)) {
      boolean canonical = Translation.rule(found) != FaultRule.NOT_CANONICAL;
      int code = canonical ? Translation.errorCode(found) : 0;
      vcpu.control().exit(canonical ? Vector.PF : Vector.GP, code, linear, found);
      return found;
    }
    return Translation.address(found, linear, vcpu.shift(found));
  }

  /** Tables in memory that is never written keep their A and D as they are. */
  private boolean mayUpdateTables() {
    boolean may = true;
    for (int i = 0; i < tables.count(); i++) {
      may &= memory.kind(tables.gfn(i)) == Kind.RAM;
      vcpu.domain().dirtied(tables.gfn(i));
    }
    return may;
  }

  // ---- the effect ----

  private void perform(OperationBlock block, int at, long access, boolean data, boolean exchange) {
    boolean write = (access & Access.WRITE) != 0;
    if (exchange) {
      exchange(block, at);
    } else if (data && write) {
      store(block.operands()[at]);
    } else if (data) {
      block.results()[at] = load();
    } else if (write && memory.kind(frame(first)) == Kind.RAM) {
      vcpu.domain().dirtied(frame(first)); // a probe for a write is a write that changes nothing
    }
  }

  private void exchange(OperationBlock block, int at) {
    long expected = block.operands()[at] & -1L >>> Long.SIZE - Byte.SIZE * bytes;
    long replacement = block.results()[at];
    long before;
    if (firstBytes == bytes) {
      before = memory.compareExchange(first, bytes, expected, replacement);
      vcpu.domain().paging().guestMemoryWritten(first, bytes);
    } else {
      before = load(); // split across frames: a bus lock on hardware, not atomic here
      if (before == expected) {
        store(replacement);
      }
    }
    block.results()[at] = before;
  }

  private long load() {
    if (firstBytes == bytes) {
      return memory.load(first, bytes);
    }
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= memory.load(byteAt(i), 1) << Byte.SIZE * i;
    }
    return value;
  }

  private void store(long value) {
    if (firstBytes == bytes) {
      store(first, bytes, value);
      return;
    }
    for (int i = 0; i < bytes; i++) {
      store(byteAt(i), 1, value >>> Byte.SIZE * i);
    }
  }

  private void store(@Gpa long gpa, int count, long value) {
    if (memory.store(gpa, count, value)) {
      vcpu.domain().paging().guestMemoryWritten(gpa, count);
    }
  }

  private @Gpa long byteAt(int i) {
    return i < firstBytes ? Addresses.advance(first, i) : Addresses.advance(second, i - firstBytes);
  }
}
