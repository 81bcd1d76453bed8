// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.paging;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.WalkTrace;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * How one vCPU's memory is virtualised just now: Xen's {@code paging_mode}. Chosen for a vCPU by
 * its {@link PagingDomain} whenever the guest changes mode. A mode is called by the exit loop and
 * by whoever accesses guest memory by virtual address, on the thread that runs the vCPU.
 */
@ConsumerType
public interface PagingMode {

  /** Levels of the guest's own tables: 1 with paging off, otherwise 2 to 5. */
  int guestLevels();

  /** Levels of the tables that the hardware walks for this guest in the first dimension. */
  int hardwareLevels();

  /**
   * A page fault was intercepted; details are in the control block. Must not answer {@link
   * Resolution#FIXED} for ever while nothing changes.
   *
   * @param vcpu the vCPU, out of its block
   */
  Resolution pageFault(Vcpu vcpu);

  /**
   * A walk in the second dimension failed: a nested page fault, an EPT violation or, with an exit
   * qualification of 0, an EPT misconfiguration; details are in the control block. What is not the
   * backend's own doing is for {@link dev.quire.api.domain.Domain#nestedFault}. Must not answer
   * {@link Resolution#FIXED} for ever while nothing changes. Only called of backends that set a
   * nested root.
   *
   * @param vcpu the vCPU, out of its block
   */
  default Resolution nestedFault(Vcpu vcpu) {
    throw new IllegalStateException("a nested fault without nested tables");
  }

  /**
   * The vCPU's page-modification log is full: note what it holds and empty it. Only called of
   * backends that switched it on.
   *
   * @param vcpu the vCPU, out of its block
   */
  default void logFull(Vcpu vcpu) {
    throw new IllegalStateException("a full log where nobody logs");
  }

  /**
   * The guest executed INVLPG or its like and it was intercepted.
   *
   * @param linear canonical linear address
   * @return whether the hardware must invalidate too; false only if no hardware TLB entry derived
   *     from the address can be in use afterwards
   */
  boolean invalidate(Vcpu vcpu, @Gva long linear);

  /**
   * The guest says that a process is about to end ({@code HVMOP_pagetable_dying}): its tables will
   * be taken apart and nobody will run on them. A hint, by which a backend may save work; whatever
   * the guest says, it sees no difference.
   *
   * @param root what the process has in CR3: the address of its root table, for PAE of the four
   *     entries
   */
  default void pagetableDying(Vcpu vcpu, @Gpa long root) {}

  /**
   * Walks the guest's tables in software.
   *
   * @param linear linear address
   * @param access flags of {@link dev.quire.api.x86.Access}: which rights to check
   * @param trace told of every step, or null
   * @return a {@link dev.quire.api.x86.Translation} whose frame is guest-physical, or the fault
   */
  long translate(Vcpu vcpu, @Gva long linear, long access, @Nullable WalkTrace trace);

  /**
   * The guest's CR3, or what its root depends on, has changed: set the hardware's root.
   *
   * @param keepCached the guest asked to keep the entries of the PCID
   */
  void updateCr3(Vcpu vcpu, boolean keepCached);

  /**
   * The hypervisor writes an entry of a guest's table on the guest's behalf.
   *
   * @param gfn the frame of the table
   * @param offset of the entry in it. Unit: bytes
   * @param bytes 4 or 8
   * @param value the entry
   */
  void writeGuestEntry(Vcpu vcpu, @Gfn long gfn, int offset, int bytes, long value);

  /**
   * The same, if the entry still is what the hypervisor believes it to be.
   *
   * @return the entry before; the exchange happened if it equals {@code expected}
   */
  long compareExchangeGuestEntry(
      Vcpu vcpu, @Gfn long gfn, int offset, int bytes, long expected, long replacement);
}
