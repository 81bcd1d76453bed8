// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;

/**
 * The measurement of the machine: the stream is one block, and the CPU is entered with a budget of
 * operations until it is done.
 */
abstract class MachineRun extends StreamRun {
  static final int BUDGET = 4096;

  private final Cpu cpu;
  private final ControlBlock control;
  private final OperationBlock block;

  MachineRun(Cpu cpu, ControlBlock control, Stream stream) {
    this.cpu = cpu;
    this.control = control;
    long[] operations = stream.operations();
    block = new OperationBlock(operations.length);
    System.arraycopy(operations, 0, block.operations(), 0, operations.length);
  }

  final Cpu cpu() {
    return cpu;
  }

  final ControlBlock control() {
    return control;
  }

  final OperationBlock block() {
    return block;
  }

  /** Makes the stream begin anew. */
  final void rewind() {
    block.clear();
    block.size(block.operations().length);
  }

  /** Goes on with the stream for as many operations as the budget has. */
  final ExitReason enter() {
    return cpu.enter(control, block, BUDGET);
  }

  @Override
  final void resetCounters() {
    cpu.counters().reset();
  }

  @Override
  final long[] reached() {
    return block.reached();
  }
}
