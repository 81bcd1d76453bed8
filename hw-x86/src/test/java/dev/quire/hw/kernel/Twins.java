// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.hw.reference.Memory;
import dev.quire.hw.reference.ReferenceCpu;
import dev.quire.hw.reference.SlowMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** A CPU and the reference CPU side by side: whatever is done to one is done to the other. */
final class Twins implements Rig {
  private final TestCpu ours;
  private final ReferenceCpu reference;
  private final SlowMemory slowMemory;
  private final OperationBlock block = new OperationBlock(256);
  private final OperationBlock referenceBlock = new OperationBlock(256);
  private final boolean countersCompare;

  Twins(MachineSpec spec, boolean countersCompare) {
    ours = new TestCpu(spec);
    slowMemory = new SlowMemory(spec.ram());
    reference = new ReferenceCpu(spec, countersCompare ? spec.tlb() : null, slowMemory);
    this.countersCompare = countersCompare;
  }

  @Override
  public OperationBlock block() {
    return block;
  }

  @Override
  public Memory memory() {
    return slowMemory;
  }

  @Override
  public void flush() {
    ours.cpu.flush();
    reference.translator().dropAll();
  }

  @Override
  public void flushTag(int tag) {
    ours.cpu.flushTag(tag);
    reference.translator().dropTag(tag);
  }

  @Override
  public void flushLinear(Guest guest, long linear) {
    int tag = guest.ours.tag();
    ours.cpu.flushLinear(tag, linear);
    reference.translator().dropLinear(tag, linear);
  }

  @Override
  public void requestFlush() {
    ours.cpu.requestFlush();
    reference.requestFlush();
  }

  @Override
  public void store(long address, int bytes, long value) {
    ours.memory.store(address, bytes, value);
    slowMemory.write(address, bytes, value);
  }

  @Override
  public void clear() {
    block.clear();
    referenceBlock.clear();
  }

  @Override
  public void add(Consumer<OperationBlock> operation) {
    operation.accept(block);
    operation.accept(referenceBlock);
  }

  @Override
  public void run(Guest guest, int budget) {
    while (block.next() < block.size()) {
      int from = block.next();
      ExitReason expected = reference.enter(guest.reference, referenceBlock, budget);
      ExitReason got = ours.cpu.enter(guest.ours, block, budget);
      compare(guest, from, expected, got);
      if (got != ExitReason.DONE && got != ExitReason.PREEMPTED) {
        block.next(block.next() + 1);
        referenceBlock.next(block.next());
      }
    }
  }

  private void compare(Guest guest, int from, ExitReason expected, ExitReason got) {
    String where = "operation " + block.next() + ", " + describe(block.next());
    String wanted = "operation " + referenceBlock.next() + ", " + describe(referenceBlock.next());
    assertThat(where + " " + got).isEqualTo(wanted + " " + expected);
    if (got == ExitReason.FAULT || got == ExitReason.PAGE_FAULT) {
      assertThat(event(guest.ours)).as(where).isEqualTo(event(guest.reference));
    }
    for (int i = from; i < block.next(); i++) {
      boolean access = !Operation.isControl(block.operations()[i]) || isExchange(i);
      if (access) {
        assertThat(block.reached()[i])
            .as("address reached by %s", describe(i))
            .isEqualTo(referenceBlock.reached()[i]);
        assertThat(block.results()[i])
            .as("result of %s", describe(i))
            .isEqualTo(referenceBlock.results()[i]);
      }
    }
    assertThat(registers(guest.ours)).isEqualTo(registers(guest.reference));
    if (countersCompare) {
      assertThat(different(ours.counters.values(), reference.counters())).isEmpty();
    }
  }

  private boolean isExchange(int i) {
    return Operation.kind(block.operations()[i]) == Operation.Kind.COMPARE_EXCHANGE;
  }

  private static List<Object> event(ControlBlock control) {
    return List.of(
        control.exitVector(),
        Integer.toHexString(control.exitErrorCode()),
        Long.toHexString(control.exitLinear()));
  }

  private static List<String> registers(ControlBlock control) {
    Registers registers = control.registers();
    List<String> all = new ArrayList<>();
    for (long value :
        new long[] {
          registers.cr0,
          registers.cr2,
          registers.cr3,
          registers.cr4,
          registers.efer,
          registers.pkru,
          registers.pkrs,
          registers.pdptes[0],
          registers.pdptes[1],
          registers.pdptes[2],
          registers.pdptes[3]
        }) {
      all.add(Long.toHexString(value));
    }
    return all;
  }

  private static List<String> different(long[] ours, long[] reference) {
    List<String> different = new ArrayList<>();
    for (HwEvent event : HwEvent.values()) {
      long got = ours[event.ordinal()];
      long expected = reference[event.ordinal()];
      if (got != expected) {
        different.add(event + " " + got + " instead of " + expected);
      }
    }
    return different;
  }

  /** Every frame that was ever written to, whole. */
  void compareMemory() {
    long[] frames =
        slowMemory.contents().keySet().stream().mapToLong(at -> at >>> 12).distinct().toArray();
    for (long frame : frames) {
      for (long at = frame << 12; at < frame + 1 << 12; at += 8) {
        assertThat(ours.memory.load(at, 8))
            .as("memory at 0x%x", at)
            .isEqualTo(slowMemory.read(at, 8));
      }
    }
  }

  private String describe(int at) {
    if (at >= block.size()) {
      return "the end";
    }
    long word = block.operations()[at];
    String name =
        Operation.isControl(word)
            ? Operation.kind(word).toString()
            : String.format("access 0x%x", word);
    return String.format(
        "%s (0x%x, 0x%x, %d bytes)",
        name, block.operands()[at], block.moreOperands()[at], block.sizes()[at]);
  }
}
