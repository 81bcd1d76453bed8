// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.OperationBlock;
import dev.quire.hw.reference.Memory;
import java.util.function.Consumer;

/** What a random program is run on, and watched by. */
interface Rig {
  /** A guest; where there is a second CPU, as each of the two sees it. */
  final class Guest {
    final ControlBlock ours = new ControlBlock();
    final ControlBlock reference = new ControlBlock();

    void both(Consumer<ControlBlock> change) {
      change.accept(ours);
      change.accept(reference);
    }
  }

  /** The operations to be run next. */
  OperationBlock block();

  /** Begins another block. */
  void clear();

  /** Adds operations to the block. */
  void add(Consumer<OperationBlock> operation);

  /** Runs the block to its end; an operation that faults or exits is left out. */
  void run(Guest guest, int budget);

  /** A store by a device or by the host. */
  void store(long address, int bytes, long value);

  /** What the tables are read from. */
  Memory memory();

  void flush();

  void flushTag(int tag);

  void flushLinear(Guest guest, long linear);

  void requestFlush();
}
