// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.TranslationCache;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hw.reference.Memory;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** One machine with hidden kernels and one with plain ones, given the same operations. */
final class TwoForms implements Rig {
  static final String HIDDEN = "hidden";
  static final String PLAIN = "plain";

  private final Machine hidden;
  private final Machine plain;
  private final OperationBlock block = new OperationBlock(256);
  private final OperationBlock plainBlock = new OperationBlock(256);

  TwoForms(MachineSpec spec) {
    hidden = as(HIDDEN, () -> new X86MachineFactory().create(spec));
    plain = as(PLAIN, () -> new X86MachineFactory().create(spec));
  }

  /** Kernels are also defined later, when a format is first used. */
  static <T> T as(String form, Supplier<T> action) {
    String before = System.getProperty(Specializer.FORM);
    System.setProperty(Specializer.FORM, form);
    try {
      return action.get();
    } finally {
      if (before == null) {
        System.clearProperty(Specializer.FORM);
      } else {
        System.setProperty(Specializer.FORM, before);
      }
    }
  }

  @Override
  public OperationBlock block() {
    return block;
  }

  @Override
  public void clear() {
    block.clear();
    plainBlock.clear();
  }

  @Override
  public void add(Consumer<OperationBlock> operation) {
    operation.accept(block);
    operation.accept(plainBlock);
  }

  @Override
  public void run(Guest guest, int budget) {
    while (block.next() < block.size()) {
      ControlBlock other = guest.reference;
      ExitReason exit = as(HIDDEN, () -> hidden.cpu(0).enter(guest.ours, block, budget));
      ExitReason same = as(PLAIN, () -> plain.cpu(0).enter(other, plainBlock, budget));
      assertThat(same).isEqualTo(exit);
      assertThat(plainBlock.next()).isEqualTo(block.next());
      assertThat(other.exitErrorCode()).isEqualTo(guest.ours.exitErrorCode());
      assertThat(other.exitFault()).isEqualTo(guest.ours.exitFault());
      assertThat(plainBlock.reached()).isEqualTo(block.reached());
      assertThat(plainBlock.results()).isEqualTo(block.results());
      assertThat(plain.cpu(0).counters().values()).isEqualTo(hidden.cpu(0).counters().values());
      if (exit != ExitReason.DONE && exit != ExitReason.PREEMPTED) {
        block.next(block.next() + 1);
        plainBlock.next(block.next());
      }
    }
  }

  /** Both caches hold the same, entry by entry and way by way. */
  void compareCaches() {
    assertThat(entries(plain)).isEqualTo(entries(hidden));
  }

  private static List<String> entries(Machine machine) {
    TranslationCache cache = Objects.requireNonNull(machine.cpu(0).translationCache());
    List<String> entries = new ArrayList<>();
    cache.forEach(
        (where, tag, pcid, linear, shift, fetch, translation) ->
            entries.add(
                String.format("%s %d %d %x %d %x", where, tag, pcid, linear, shift, translation)));
    return entries;
  }

  /** How often something was counted, by both. */
  long count(HwEvent event) {
    return hidden.cpu(0).counters().get(event);
  }

  @Override
  public void store(long address, int bytes, long value) {
    hidden.memory().store(address, bytes, value);
    plain.memory().store(address, bytes, value);
  }

  @Override
  public Memory memory() {
    return hidden.memory()::load;
  }

  @Override
  public void flush() {
    hidden.cpu(0).flush();
    plain.cpu(0).flush();
  }

  @Override
  public void flushTag(int tag) {
    hidden.cpu(0).flushTag(tag);
    plain.cpu(0).flushTag(tag);
  }

  @Override
  public void flushLinear(Guest guest, long linear) {
    hidden.cpu(0).flushLinear(guest.ours.tag(), linear);
    plain.cpu(0).flushLinear(guest.ours.tag(), linear);
  }

  @Override
  public void requestFlush() {
    hidden.cpu(0).requestFlush();
    plain.cpu(0).requestFlush();
  }
}
