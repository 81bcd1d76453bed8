// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
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
   * Drops every cached translation of one tag: what must precede the reuse of an ASID, and the only
   * way to make a changed NPT take effect (APM vol. 2, 15.16). With EPT, guest-physical mappings
   * have no tag and stay.
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
   * INVEPT, single context: drops guest-physical and combined mappings made by way of one root,
   * whatever their VPID and PCID (SDM vol. 3, 29.4.3.1). Intel only.
   *
   * @param root address of the EPT root. Unit: bytes
   */
  void invept(@Maddr long root);

  /** INVEPT, all contexts: those made by way of any root. Intel only. */
  void inveptAll();

  /**
   * INVVPID, individual address: drops linear and combined mappings of one page, global ones too,
   * for every PCID and root. Guest-physical mappings stay, here and in the other types. Intel only.
   *
   * @param vpid tag; not 0
   * @param linear any address in the page
   */
  void invvpidAddress(int vpid, @Gva long linear);

  /** INVVPID, single context: drops linear and combined mappings of one VPID. Intel only. */
  void invvpidContext(int vpid);

  /** INVVPID, all contexts: drops linear and combined mappings of every VPID but 0. Intel only. */
  void invvpidAll();

  /**
   * INVVPID, single context retaining globals: drops linear and combined mappings of one VPID that
   * are not global. Intel only.
   */
  void invvpidContextNonGlobal(int vpid);

  /**
   * INVLPGA: drops the translations of one page for one ASID, global ones too (APM vol. 3). AMD
   * only.
   *
   * @param linear any address in the page
   * @param asid tag
   */
  void invlpga(@Gva long linear, int asid);

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
