// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import dev.quire.hw.memory.SparseMemory;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One physical CPU: runs blocks through its {@link TranslationUnit}, hands data accesses and
 * control operations to their own classes, and comes out with the reason.
 */
public final class X86Cpu implements Cpu {
  /** After so many operations at the latest, requests of others are looked at. */
  private static final int SAFE_POINT = 4096;

  private final int number;
  private final Counters counters;
  private final TranslationUnit translation;
  private final DataAccesses data;
  private final ControlOperations control;

  /** Tickets of flushes asked for and done; a CPU flushes at the next safe point. */
  private volatile long flushesAsked;

  private volatile long flushesDone;
  private volatile boolean entered;
  private final Object askingLock = new Object();

  /**
   * A CPU after reset.
   *
   * @param number in the machine
   * @param counters its counters
   * @param translation its walkers and caches
   */
  public X86Cpu(
      int number,
      CpuProfile profile,
      SparseMemory memory,
      ControlRegisterUnit registers,
      Counters counters,
      TranslationUnit translation) {
    this.number = number;
    this.counters = counters;
    this.translation = translation;
    this.data = new DataAccesses(memory, translation);
    this.control = new ControlOperations(profile, memory, registers, translation, counters, data);
  }

  @Override
  public int number() {
    return number;
  }

  @Override
  public Counters counters() {
    return counters;
  }

  @Override
  public ExitReason enter(ControlBlock block, OperationBlock operations, int budget) {
    entered = true; // before asking for requests: either this CPU sees one, or hasFlushed sees this
    try {
      return run(block, operations, budget);
    } finally {
      entered = false;
    }
  }

  private ExitReason run(ControlBlock block, OperationBlock operations, int budget) {
    int limit = (int) Math.min(operations.size(), (long) operations.next() + budget);
    flushIfAsked();
    translation.load(block);
    while (true) {
      flushIfAsked();
      int part = Math.min(limit, operations.next() + SAFE_POINT);
      int at = translation.run(operations, operations.next(), part);
      operations.next(at);
      if (translation.fault() != 0) {
        long operation = operations.operations()[at];
        @Gva long linear = translation.wrapped(Operation.linear(operation));
        return raise(block, translation.fault(), linear);
      }
      if (at == limit) {
        return limit == operations.size() ? ExitReason.DONE : ExitReason.PREEMPTED;
      }
      ExitReason exit = at == part ? null : special(block, operations, at);
      if (exit != null) {
        return exit;
      }
    }
  }

  private @Nullable ExitReason special(ControlBlock block, OperationBlock operations, int at) {
    long operation = operations.operations()[at];
    if (Operation.isControl(operation)) {
      return control.execute(block, operations, at, this);
    }
    long fault = data.execute(operations, at);
    if (fault != 0) {
      return raise(block, fault, data.faultLinear());
    }
    operations.next(at + 1);
    return null;
  }

  /** An exception: to the guest, or to the hypervisor if it wants this one. */
  ExitReason raise(ControlBlock block, long fault, @Gva long linear) {
    FaultRule.Exit exit = Translation.rule(fault).exit();
    if (exit != FaultRule.Exit.NONE) {
      return leave(block, exit, fault, linear);
    }
    if (Translation.rule(fault) == FaultRule.NOT_CANONICAL) {
      return raiseWithoutWalk(block, Vector.GP, fault, linear);
    }
    int code = Translation.errorCode(fault);
    counters.values()[HwEvent.PAGE_FAULTS.ordinal()]++;
    translation.dropFaulting(linear);
    block.exit(Vector.PF, code, linear, fault);
    if (block.interceptsPageFault(code)) {
      return ExitReason.PAGE_FAULT;
    }
    block.registers().cr2 = linear;
    return ExitReason.FAULT;
  }

  /** Out of the guest, for the sake of the second dimension. */
  private ExitReason leave(ControlBlock block, FaultRule.Exit exit, long fault, @Gva long linear) {
    NestedDimension nested = Objects.requireNonNull(translation.nested());
    block.exitNested(nested.qualification, Addresses.gpa(nested.faultAddress), linear, fault);
    HwEvent event;
    ExitReason reason;
    switch (exit) {
      case PML_FULL -> {
        event = HwEvent.PML_FULL_EXITS;
        reason = ExitReason.PML_FULL;
      }
      case EPT_MISCONFIGURATION -> {
        event = HwEvent.EPT_MISCONFIGURATIONS;
        reason = ExitReason.EPT_MISCONFIGURATION;
      }
      default -> {
        event = HwEvent.NESTED_FAULTS;
        reason = ExitReason.NESTED_FAULT;
        translation.dropPath(linear);
      }
    }
    counters.values()[event.ordinal()]++;
    return reason;
  }

  /** #GP(0) or #UD. */
  ExitReason raiseWithoutWalk(ControlBlock block, int vector, long fault, @Gva long linear) {
    if (vector == Vector.GP) {
      counters.values()[HwEvent.GENERAL_PROTECTION.ordinal()]++;
    }
    block.exit(vector, 0, linear, fault);
    return ExitReason.FAULT;
  }

  @Override
  public void flush() {
    translation.mappings().dropAll();
  }

  @Override
  public void flushTag(int tag) {
    translation.mappings().dropAsid(tag);
  }

  @Override
  public void flushLinear(int tag, @Gva long linear) {
    translation.mappings().dropLinear(tag, translation.wrapped(linear));
  }

  @Override
  public void invept(@Maddr long root) {
    count(HwEvent.INVEPT);
    translation.mappings().dropRoot(root);
  }

  @Override
  public void inveptAll() {
    count(HwEvent.INVEPT);
    translation.mappings().dropRoots();
  }

  @Override
  public void invvpidAddress(int vpid, @Gva long linear) {
    count(HwEvent.INVVPID);
    translation.mappings().dropLinear(vpid, translation.wrapped(linear));
  }

  @Override
  public void invvpidContext(int vpid) {
    count(HwEvent.INVVPID);
    translation.mappings().dropTag(vpid);
  }

  @Override
  public void invvpidAll() {
    count(HwEvent.INVVPID);
    translation.mappings().dropTags();
  }

  @Override
  public void invvpidContextNonGlobal(int vpid) {
    count(HwEvent.INVVPID);
    translation.mappings().dropNonGlobal(vpid);
  }

  @Override
  public void invlpga(@Gva long linear, int asid) {
    count(HwEvent.INVLPGA);
    translation.mappings().dropLinear(asid, translation.wrapped(linear));
  }

  private void count(HwEvent event) {
    counters.values()[event.ordinal()]++;
  }

  @Override
  public long requestFlush() {
    synchronized (askingLock) {
      flushesAsked++;
      return flushesAsked;
    }
  }

  @Override
  public boolean hasFlushed(long ticket) {
    return flushesDone >= ticket || !entered;
  }

  private void flushIfAsked() {
    long asked = flushesAsked;
    if (asked != flushesDone) {
      translation.mappings().dropAll();
      counters.values()[HwEvent.FLUSHES_ALL.ordinal()]++;
      flushesDone = asked;
    }
  }

  @Override
  public @Nullable TranslationCache translationCache() {
    return translation.cache();
  }
}
