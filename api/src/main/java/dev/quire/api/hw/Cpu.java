// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Gva;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;

/**
 * One physical CPU: walker, TLBs, paging-structure caches. The hypervisor enters it with a block of
 * operations, as VMRUN does, and it runs until it must come out:
 *
 * <pre>
 *   hit ...................................... next operation
 *   miss -> walk -> fill ..................... next operation
 *   what it may not finish alone ............. an {@link ExitReason}
 * </pre>
 *
 * One thread at a time may enter a CPU; the methods that post requests may be called from any.
 */
@ProviderType
public interface Cpu {
  /** Its number in the machine, from 0. */
  int number();

  /**
   * Runs operations from {@link OperationBlock#next} on.
   *
   * @param control what to run with; holds the details of the exit afterwards
   * @param block the operations
   * @param budget how many operations may be done before {@link ExitReason#PREEMPTED}
   */
  ExitReason enter(ControlBlock control, OperationBlock block, int budget);

  /** What it has counted since the machine was made, by {@link HwEvent}. */
  Counters counters();

  /** Drops every cached translation. For the hypervisor, from the thread that runs the CPU. */
  void flush();

  /**
   * Drops every cached translation of one tag.
   *
   * @param tag VPID or ASID
   */
  void flushTag(int tag);

  /**
   * Drops what is cached for one linear address.
   *
   * @param tag VPID or ASID
   * @param linear any address in the page
   */
  void flushLinear(int tag, @Gva long linear);

  /**
   * Asks, from any thread, that every translation be dropped: the interrupt of a shootdown. The CPU
   * does so at its next safe point: when it is entered, or within a block after an operation other
   * than a probe. Until {@link #hasFlushed} it may use what it holds.
   *
   * @return a ticket for {@link #hasFlushed}
   */
  long requestFlush();

  /** Whether the flush of a ticket is done: the shootdown is complete on this CPU. */
  boolean hasFlushed(long ticket);

  /** The cache of translations in use, null in a machine without caching. */
  @Nullable TranslationCache translationCache();
}
