// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;

/**
 * What the hypervisor does for the guest interface of one domain: frames, flushes, other domains.
 */
@ProviderType
public interface DomainHost {
  /** The domain; its vCPUs are there. */
  Domain domain();

  /** Who owns the machine's frames, and as what they are used. */
  FrameTable frames();

  /** What the domain may do beyond its own memory. */
  GuestPolicy policy();

  // ---- frames ----

  /**
   * A frame of zeros that was nobody's, for the domain: ALLOCATED, type NONE.
   *
   * @param flags more of {@link FrameWords}, such as XEN_HEAP
   * @return {@link dev.quire.api.hw.FrameMapper#NONE} if there is none
   */
  @Mfn
  long allocate(long flags);

  /**
   * Frames of zeros in a row at a place that is a multiple of their number, for the domain.
   *
   * @param order the binary logarithm of how many
   * @return the first, or {@link dev.quire.api.hw.FrameMapper#NONE} if there are none
   */
  @Mfn
  long allocateOrder(int order);

  /** What the machine-to-physical table says of a frame; -1 for nothing. */
  long machineToPhysical(@Mfn long mfn);

  /** Changes that: any value, which nobody may trust. The frame is a domain's. */
  void machineToPhysical(@Mfn long mfn, long value);

  /**
   * The entry of a level-4 table behind which guests read the machine-to-physical table; it lets
   * nobody write.
   */
  long machineToPhysicalEntry();

  // ---- what is derived from the guest's memory ----

  /**
   * The interface wrote the domain's memory on its behalf: the dirty log and the backend follow
   * ({@code paging_mark_dirty}, {@code paging_write_guest_entry}). Called before anything is given
   * back that the content before stood for.
   *
   * @param address of the first byte
   * @param bytes how many, within one frame
   */
  void written(@Maddr long address, int bytes);

  /** The last reference to a frame as a table is about to go: nobody relies on it any more. */
  void tableEnding(@Mfn long mfn);

  /**
   * The domain shall not run on its own tables from the next safe point on, but on those of {@link
   * GuestPolicy#mitigation}, for good ({@code paging_enable(PG_SH_forced)}).
   *
   * @return whether that is still to come; false if it is so, or if there is nothing to be done
   */
  boolean forceMitigation();

  // ---- flushes: complete when the call returns ----

  /** Every translation that the CPU of a vCPU holds. */
  void flush(int vcpu);

  /** What that CPU holds of one vCPU's for one linear address. */
  void flushLinear(int vcpu, @Gva long linear);

  /** Every translation that any CPU holds which runs the domain. */
  void flushAll();

  /** What these CPUs hold of the domain's for one linear address. */
  void flushLinearAll(@Gva long linear);

  /**
   * The hardware's root of a vCPU has changed between two that share their global entries: a write
   * of CR3, which forgets the others. No flush by which a frame's stamp becomes old.
   */
  void rootChanged(int vcpu);

  // ---- others ----

  /** The domain cannot go on. */
  void crash(String reason);

  /** Whether there is such a domain. */
  boolean exists(int domain);

  /** What another domain's guest interface holds of it; null if there is none. */
  @Nullable InterfaceDomain peer(int domain);

  /** All of those, this one too, in the order of their numbers. */
  List<InterfaceDomain> peers();
}
