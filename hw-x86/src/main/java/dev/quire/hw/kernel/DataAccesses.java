// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.Translation;
import dev.quire.hw.memory.SparseMemory;

/**
 * Accesses that move data, and those whose address does not fit into an operation's word. An access
 * that crosses into another page translates both pages before it moves a byte, so that it is wholly
 * done or not begun.
 */
final class DataAccesses {
  private final SparseMemory memory;
  private final TranslationUnit translation;
  private @Gva long faultLinear = Addresses.gva(0);

  /**
   * Where the bytes of the last translated access lie: the first, and the first of the second page.
   */
  private long first;

  private long second;
  private int firstBytes;

  DataAccesses(SparseMemory memory, TranslationUnit translation) {
    this.memory = memory;
    this.translation = translation;
  }

  /** The linear address of the last fault: for a crossing access, of the page that faulted. */
  @Gva
  long faultLinear() {
    return faultLinear;
  }

  /** Does the load, store or wide probe at an index; answers a fault, or 0. */
  long execute(OperationBlock block, int at) {
    long operation = block.operations()[at];
    long access = operation & Access.MASK;
    int bytes = block.sizes()[at];
    long fault = locate(access, Addresses.gva(block.moreOperands()[at]), Math.max(1, bytes));
    if (fault != 0) {
      return fault;
    }
    if ((operation & Operation.DATA) != 0) {
      if ((access & Access.WRITE) != 0) {
        store(bytes, block.operands()[at]);
      } else {
        block.results()[at] = load(bytes);
      }
    }
    block.reached()[at] = first;
    return 0;
  }

  /** Does the compare-and-exchange at an index; answers a fault, or 0. */
  long compareExchange(OperationBlock block, int at) {
    int bytes = block.sizes()[at];
    long access = block.operations()[at] & (Access.USER | Access.SMAP_EXEMPT) | Access.WRITE;
    long fault = locate(access, Addresses.gva(block.moreOperands()[at]), bytes);
    if (fault != 0) {
      return fault;
    }
    long expected = block.operands()[at];
    long replacement = block.results()[at];
    long before;
    if (firstBytes == bytes) {
      before = memory.compareExchange(Addresses.maddr(first), bytes, expected, replacement);
    } else {
      before = load(bytes); // split across frames: a bus lock on hardware, not atomic here
      if (before == (expected & -1L >>> 64 - 8 * bytes)) {
        store(bytes, replacement);
      }
    }
    block.results()[at] = before;
    block.reached()[at] = first;
    return 0;
  }

  /** Translates the one or two pages of an access; answers a fault, or 0. */
  private long locate(long access, @Gva long address, int bytes) {
    @Gva long linear = translation.wrapped(address);
    firstBytes = (int) Math.min(bytes, Addresses.PAGE_SIZE - Addresses.pageOffset(linear));
    first = page(access, linear);
    if (first < 0 || firstBytes == bytes) {
      return Math.min(first, 0);
    }
    second = page(access, translation.wrapped(Addresses.advance(linear, firstBytes)));
    return Math.min(second, 0);
  }

  private long page(long access, @Gva long linear) {
    faultLinear = linear;
    return Operation.fits(linear)
        ? translation.translate(Operation.access(access, linear))
        : Translation.fault(FaultRule.NOT_CANONICAL, 0, 0);
  }

  private long load(int bytes) {
    if (firstBytes == bytes) {
      return memory.load(Addresses.maddr(first), bytes);
    }
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= memory.load(byteAt(i), 1) << 8 * i;
    }
    return value;
  }

  private void store(int bytes, long value) {
    if (firstBytes == bytes) {
      memory.store(Addresses.maddr(first), bytes, value);
      return;
    }
    for (int i = 0; i < bytes; i++) {
      memory.store(byteAt(i), 1, value >>> 8 * i);
    }
  }

  private @Maddr long byteAt(int i) {
    return Addresses.maddr(i < firstBytes ? first + i : second + i - firstBytes);
  }
}
