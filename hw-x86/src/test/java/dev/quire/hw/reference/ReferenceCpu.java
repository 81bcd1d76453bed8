// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.Access;
import org.jspecify.annotations.Nullable;

/** The second CPU: takes the same blocks as {@link dev.quire.api.hw.Cpu} and must do the same. */
public final class ReferenceCpu {
  private final long[] counters = new long[HwEvent.values().length];
  private final SlowMemory memory;
  private final Translator translator;
  private final ReferenceControl control;
  private boolean flushAsked;

  /** Where the access that is being done has its first byte and that of its second page. */
  private long first;

  private long second;

  public ReferenceCpu(MachineSpec spec, @Nullable TlbGeometry geometry, SlowMemory memory) {
    this.memory = memory;
    translator = new Translator(spec.profile(), geometry, memory, counters);
    control = new ReferenceControl(spec.profile(), memory, translator, counters);
  }

  public long[] counters() {
    return counters;
  }

  /** What translates: for flushes from outside. */
  public Translator translator() {
    return translator;
  }

  public void requestFlush() {
    flushAsked = true;
  }

  public ExitReason enter(ControlBlock block, OperationBlock operations, int budget) {
    int limit = (int) Math.min(operations.size(), (long) operations.next() + budget);
    if (flushAsked) {
      translator.dropAll();
      counters[HwEvent.FLUSHES_ALL.ordinal()]++;
      flushAsked = false;
    }
    translator.enter(block);
    while (operations.next() < limit) {
      ExitReason exit = one(block, operations, operations.next());
      if (exit != null) {
        return exit;
      }
      operations.next(operations.next() + 1);
    }
    return limit == operations.size() ? ExitReason.DONE : ExitReason.PREEMPTED;
  }

  private @Nullable ExitReason one(ControlBlock block, OperationBlock operations, int at) {
    long word = operations.operations()[at];
    if (!Operation.isControl(word)) {
      return access(block, operations, at, word);
    }
    if (Operation.kind(word) == Operation.Kind.COMPARE_EXCHANGE) {
      return compareExchange(block, operations, at, word);
    }
    return control.execute(block, operations, at);
  }

  private @Nullable ExitReason access(
      ControlBlock block, OperationBlock operations, int at, long word) {
    boolean inWord = (word & (Operation.DATA | Operation.WIDE)) == 0;
    int bytes = inWord ? 1 : Math.max(1, operations.sizes()[at]);
    long linear =
        Shape.wrap(block.registers(), inWord ? word << 7 >> 7 : operations.moreOperands()[at]);
    Fault fault = locate(block, word & Access.MASK, linear, bytes);
    if (fault != null) {
      return control.raise(block, fault);
    }
    operations.reached()[at] = first;
    if ((word & Operation.DATA) != 0) {
      if ((word & Access.WRITE) != 0) {
        store(linear, bytes, operations.operands()[at]);
      } else {
        operations.results()[at] = load(linear, bytes);
      }
    }
    return null;
  }

  private @Nullable ExitReason compareExchange(
      ControlBlock block, OperationBlock operations, int at, long word) {
    int bytes = operations.sizes()[at];
    long linear = Shape.wrap(block.registers(), operations.moreOperands()[at]);
    long flags = word & (Access.USER | Access.SMAP_EXEMPT) | Access.WRITE;
    Fault fault = locate(block, flags, linear, bytes);
    if (fault != null) {
      return control.raise(block, fault);
    }
    long mask = bytes == 8 ? -1 : (1L << 8 * bytes) - 1;
    long before = load(linear, bytes);
    if (before == (operations.operands()[at] & mask)) {
      store(linear, bytes, operations.results()[at]);
    }
    operations.results()[at] = before;
    operations.reached()[at] = first;
    return null;
  }

  /** Translates the first page of an access, and the second if there is one. */
  private @Nullable Fault locate(ControlBlock block, long flags, long linear, int bytes) {
    Translator.Result result = translator.translate(block, flags, linear);
    first = result.address();
    int inFirst = bytesInFirst(linear, bytes);
    if (result.fault() != null || inFirst == bytes) {
      return result.fault();
    }
    Translator.Result next =
        translator.translate(block, flags, Shape.wrap(block.registers(), linear + inFirst));
    second = next.address();
    return next.fault();
  }

  private static int bytesInFirst(long linear, int bytes) {
    return (int) Math.min(bytes, 4096 - (linear & 4095));
  }

  private long byteAt(long linear, int bytes, int i) {
    int inFirst = bytesInFirst(linear, bytes);
    return i < inFirst ? first + i : second + i - inFirst;
  }

  private long load(long linear, int bytes) {
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= (long) memory.readByte(byteAt(linear, bytes, i)) << 8 * i;
    }
    return value;
  }

  private void store(long linear, int bytes, long value) {
    for (int i = 0; i < bytes; i++) {
      memory.writeByte(byteAt(linear, bytes, i), (int) (value >>> 8 * i));
    }
  }
}
