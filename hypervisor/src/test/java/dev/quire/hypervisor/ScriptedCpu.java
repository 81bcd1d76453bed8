// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.TranslationCache;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Does what the test says, entry by entry; with nothing left to do, every block is done at once.
 */
final class ScriptedCpu implements Cpu {
  /** What happens between entry and exit. */
  @FunctionalInterface
  interface Step {
    ExitReason run(ControlBlock control, OperationBlock block);
  }

  final List<Integer> tags = new ArrayList<>();
  final List<String> flushes = new ArrayList<>();
  private final Deque<Step> script = new ArrayDeque<>();
  private final int number;
  private @Nullable Step always;

  ScriptedCpu(int number) {
    this.number = number;
  }

  /** What the next entry that has no step yet does. */
  ScriptedCpu then(Step step) {
    script.add(step);
    return this;
  }

  /** Comes out of the next entry that has no step yet, before the operation at an index. */
  ScriptedCpu exits(ExitReason reason, int at) {
    return then(
        (control, block) -> {
          block.next(at);
          return reason;
        });
  }

  /** Comes out of every entry after the script with this. */
  void always(Step step) {
    always = step;
  }

  @Override
  public int number() {
    return number;
  }

  @Override
  public ExitReason enter(ControlBlock control, OperationBlock block, int budget) {
    tags.add(control.tag());
    Step step = script.isEmpty() ? always : script.remove();
    if (step != null) {
      return step.run(control, block);
    }
    block.next(block.size());
    return ExitReason.DONE;
  }

  @Override
  public Counters counters() {
    return new Counters();
  }

  @Override
  public void flush() {
    flushes.add("all");
  }

  @Override
  public void flushTag(int tag) {
    flushes.add("tag " + tag);
  }

  @Override
  public void flushLinear(int tag, long linear) {
    flushes.add("tag " + tag + " at " + Long.toHexString(linear));
  }

  @Override
  public void invept(long root) {
    flushes.add("root " + Long.toHexString(root));
  }

  @Override
  public void inveptAll() {
    flushes.add("every root");
  }

  @Override
  public void invvpidAddress(int vpid, long linear) {
    flushes.add("vpid " + vpid + " at " + Long.toHexString(linear));
  }

  @Override
  public void invvpidContext(int vpid) {
    flushes.add("vpid " + vpid);
  }

  @Override
  public void invvpidAll() {
    flushes.add("every vpid");
  }

  @Override
  public void invvpidContextNonGlobal(int vpid) {
    flushes.add("vpid " + vpid + " but globals");
  }

  @Override
  public void invlpga(long linear, int asid) {
    flushes.add("asid " + asid + " at " + Long.toHexString(linear));
  }

  @Override
  public long requestFlush() {
    return 0;
  }

  @Override
  public boolean hasFlushed(long ticket) {
    return true;
  }

  @Override
  public @Nullable TranslationCache translationCache() {
    return null;
  }
}
