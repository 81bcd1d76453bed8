// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.paging;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.Vcpu;
import java.util.List;
import java.util.Map;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A backend's hold on one domain: Xen's {@code paging_domain}. It owns only what can be rebuilt
 * (law 1), so that it may be dropped at any safe point and another backend attached.
 */
@ConsumerType
public interface PagingDomain {
  /**
   * Chooses the mode for a vCPU from the guest's registers, prepares the control block (format,
   * root, intercepts) and returns the mode. Called at attach and whenever CR0.PG, CR4, EFER or what
   * else decides the mode changes.
   */
  PagingMode updatePagingModes(Vcpu vcpu);

  /**
   * Guest memory changed behind the vCPUs' backs: a device, the hypervisor or the toolstack wrote
   * it.
   *
   * @param first first guest frame
   * @param count how many
   */
  void guestMemoryChanged(@Gfn long first, long count);

  /**
   * Bytes of guest memory were written, not by the hardware that runs the guest: by a device or by
   * an operation that was emulated. Called after each such write.
   *
   * @param gpa of the first byte
   * @param bytes how many, within one frame
   */
  default void guestMemoryWritten(@Gpa long gpa, int bytes) {
    guestMemoryChanged(Addresses.gpaToGfn(gpa), 1);
  }

  /**
   * The guest interface wrote the memory of a PV guest on its behalf: an entry of a table, or data
   * ({@code paging_write_guest_entry}). Called after each such write, and before anything is given
   * back that the content before stood for.
   *
   * @param address of the first byte
   * @param bytes how many, within one frame
   */
  default void machineMemoryWritten(@Maddr long address, int bytes) {}

  /**
   * A frame of a PV guest's is about to be no table any more: its last type reference goes ({@code
   * shadow_prepare_page_type_change}). When this returns nothing is left that was derived from it,
   * and no CPU uses any of that.
   */
  default void tableEnding(@Mfn long mfn) {}

  /**
   * Whether what was derived from a page table may be older than the table, until the guest
   * invalidates: then an access may be served by what an entry was before, and leave A clear in
   * what it has become, as one that a TLB serves.
   *
   * @param table its guest frame
   */
  default boolean lagsBehind(@Gfn long table) {
    return false;
  }

  /**
   * An entry of the p2m is about to change ({@code write_p2m_entry_pre}); the domain's p2m still
   * answers the old one. A backend that holds something derived from the old entry lets go of it
   * here. Where one new mapping takes the place of several, called for each of those. Called with
   * the p2m locked; must not change it.
   *
   * @param gfn first guest frame
   * @param order log2 of how many frames change
   * @param before a {@link dev.quire.api.domain.P2mEntry}, of the first frame
   * @param after what it becomes, of the first frame
   */
  default void p2mChanging(@Gfn long gfn, int order, long before, long after) {}

  /** The entry has changed ({@code write_p2m_entry_post}); the hypervisor flushes after this. */
  default void p2mChanged(@Gfn long gfn, int order, long before, long after) {}

  /**
   * The types in a range of the p2m have changed, without {@link #p2mChanging} for each: between
   * RAM_RW, RAM_LOGDIRTY and IOREQ_SERVER, and entries are recalculated when they are next used.
   * The hypervisor flushes after this.
   *
   * @param first first guest frame
   * @param count how many
   */
  default void p2mTypesChanged(@Gfn long first, long count) {}

  /**
   * Begins to log writes: after this no TLB and no table lets the guest write a frame unseen. Only
   * called if the backend has {@link PagingBackend.Feature#LOG_DIRTY}.
   */
  default Errno enableLogDirty() {
    return Errno.EOPNOTSUPP;
  }

  /** Ends logging: nothing needs to be seen any more. */
  default Errno disableLogDirty() {
    return Errno.EOPNOTSUPP;
  }

  /**
   * Brings the log up to date with what hardware has logged (PML), before the bitmap is read. On
   * the thread that holds the domain at a safe point.
   */
  default void drainLogDirty() {}

  /** Begins a new round: what the bitmap has answered must be seen again at the next write. */
  default Errno cleanLogDirty() {
    return Errno.EOPNOTSUPP;
  }

  /**
   * Tracks a frame buffer in the backend's own way ({@link
   * dev.quire.api.domain.LogDirty#trackRange}). On the thread that holds the domain at a safe
   * point.
   *
   * @param first first guest frame
   * @param count how many; 0 ends the tracking
   * @param bitmap receives a bit for each frame that was written since the last call with the same
   *     range, or may have been
   * @return EOPNOTSUPP if it has none: then the hypervisor tracks by p2m types
   */
  default Errno trackRange(@Gfn long first, long count, long[] bitmap) {
    return Errno.EOPNOTSUPP;
  }

  /** Lets go of everything; afterwards no table of the backend is in use by hardware. */
  void detach();

  /**
   * Recomputes the backend's invariants from scratch.
   *
   * @return one sentence for each that does not hold
   */
  List<String> audit();

  /** What the backend counts, by name, in a fixed order. */
  Map<String, Long> statistics();
}
