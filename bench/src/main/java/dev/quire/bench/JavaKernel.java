// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Measures the machine on one stream, in a process of its own: {@code STREAM PASSES}.
 *
 * <p>The stream is one block, and the CPU is entered with a budget of 4,096 operations until it is
 * done: so the time is the block interface's, reading the operations from memory and writing the
 * addresses that were reached included. They are added up after the clock has stopped.
 */
final class JavaKernel extends MachineRun {
  private JavaKernel(Cpu cpu, ControlBlock control, Stream stream) {
    super(cpu, control, stream);
  }

  public static void main(String[] arguments) throws Exception {
    Stream stream = Stream.read(Path.of(arguments[0]));
    StreamMachine machine = new StreamMachine();
    ControlBlock control = machine.addressSpace(stream, 1);
    new JavaKernel(machine.cpu(), control, stream).measure(Integer.parseInt(arguments[1]));
  }

  @Override
  void pass() {
    rewind();
    ExitReason reason = enter();
    while (reason != ExitReason.DONE) {
      if (reason == ExitReason.FAULT) {
        skipFault();
      }
      reason = enter();
    }
  }

  private void skipFault() {
    int at = block().next();
    fault(control().exitErrorCode());
    block().reached()[at] = 0;
    block().next(at + 1);
  }

  @Override
  Map<String, Long> counters() {
    Counters counters = cpu().counters();
    Map<String, Long> named = new LinkedHashMap<>();
    named.put("l1-misses", counters.get(HwEvent.L1D_MISSES) + counters.get(HwEvent.L1I_MISSES));
    named.put("l2-misses", counters.get(HwEvent.L2_MISSES));
    named.put("walks", counters.get(HwEvent.WALKS));
    named.put(
        "references",
        EnumSet.range(HwEvent.REFERENCES_1, HwEvent.REFERENCES_5).stream()
            .mapToLong(counters::get)
            .sum());
    named.put("rewalks", counters.get(HwEvent.RIGHTS_REWALKS));
    named.put("accessed-set", counters.get(HwEvent.ACCESSED_SET));
    named.put("dirty-set", counters.get(HwEvent.DIRTY_SET));
    return named;
  }
}
