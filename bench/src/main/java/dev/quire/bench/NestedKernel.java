// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.x86.PageEntry;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Measures the machine on one stream under EPT, in a process of its own: {@code STREAM PASSES}, and
 * {@code uncached} for a machine in which every access walks both dimensions, 24 references.
 */
final class NestedKernel extends MachineRun {
  /** The argument that leaves all caches out. */
  static final String UNCACHED = "uncached";

  /** Guest tables lie below, in frames from 1 on. */
  private static final long NESTED_TABLES = 8192L << 12;

  /** Read, write, execute: the bits that P, R/W and U/S are in other tables; and write-back. */
  private static final long LEAF = PageEntry.P | PageEntry.RW | PageEntry.US | 6L << 3;

  private NestedKernel(Cpu cpu, ControlBlock control, Stream stream) {
    super(cpu, control, stream);
  }

  public static void main(String[] arguments) throws Exception {
    Stream stream = Stream.read(Path.of(arguments[0]));
    boolean uncached = arguments.length > 2 && arguments[2].equals(UNCACHED);
    StreamMachine machine = uncached ? StreamMachine.uncached() : new StreamMachine();
    ControlBlock control = machine.addressSpace(stream, 1);
    StreamTables nested =
        new StreamTables(
            number -> {
              long frame = (NESTED_TABLES >>> 12) + number;
              return machine.machine().memory().frame(Addresses.mfn(frame));
            },
            NESTED_TABLES);
    long root = nested.newTable();
    for (long table = 0; table < machine.tables(); table++) {
      nested.map(root, table << 12, table << 12 | LEAF);
    }
    for (long page : stream.pages()) {
      long physical = StreamTables.frameOf(page & Stream.LINEAR_PAGE) << 12;
      nested.map(root, physical, physical | LEAF);
    }
    control.nested().format = NestedPaging.Format.EPT;
    control.nested().root = Addresses.maddr(root);
    NestedKernel kernel = new NestedKernel(machine.cpu(), control, stream);
    kernel
        .pass(); // it sets A and D, and walks more for that; the next finds caches as a kernel in C
    kernel.measure(Integer.parseInt(arguments[1]));
  }

  @Override
  void pass() {
    rewind();
    ExitReason reason = enter();
    while (reason == ExitReason.PREEMPTED) {
      reason = enter();
    }
    if (reason != ExitReason.DONE) {
      throw new IllegalStateException("the stream ended in " + reason);
    }
  }

  @Override
  Map<String, Long> counters() {
    Counters counters = cpu().counters();
    long references = 0;
    for (int level = 1; level <= 5; level++) {
      references += counters.values()[HwEvent.REFERENCES_1.ordinal() + level - 1];
      for (int row = 0; row <= 5; row++) {
        references += counters.values()[Counters.nestedReference(row, level)];
      }
    }
    Map<String, Long> named = new LinkedHashMap<>();
    named.put("l1-misses", counters.get(HwEvent.L1D_MISSES) + counters.get(HwEvent.L1I_MISSES));
    named.put("l2-misses", counters.get(HwEvent.L2_MISSES));
    named.put("walks", counters.get(HwEvent.WALKS));
    named.put("references", references);
    return named;
  }
}
