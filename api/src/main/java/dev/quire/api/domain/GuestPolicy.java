// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Mfn;
import dev.quire.api.paging.PagingBackend;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * What a domain may do beyond its own memory: what Xen's rangesets, XSM hooks and options say of
 * it. Asked by a guest interface's validation. The default is an ordinary guest without devices.
 */
@ConsumerType
public interface GuestPolicy {
  /** An ordinary guest without devices or privilege. */
  GuestPolicy PLAIN = new GuestPolicy() {};

  /** Whether it may map a frame of device memory ({@code iomem_access_permitted}). */
  default boolean mayMapDevice(@Mfn long mfn) {
    return false;
  }

  /** Whether nobody may write a frame of device memory ({@code mmio_ro_ranges}). */
  default boolean isReadOnlyDevice(@Mfn long mfn) {
    return false;
  }

  /** Whether it may choose memory types ({@code cache_flush_permitted}). */
  default boolean controlsMemoryTypes() {
    return false;
  }

  /** Whether it may map the frames of another domain. */
  default boolean isPrivilegedOver(int owner) {
    return false;
  }

  /**
   * Whether another domain is one whose guest frames the hypervisor translates (HVM, PVH): writable
   * mappings of its frames are not counted as writable.
   */
  default boolean isExternal(int owner) {
    return false;
  }

  /** Whether the CPUs keep their caches coherent whatever memory types a frame is mapped with. */
  default boolean snoopsItself() {
    return false;
  }

  /**
   * What the hypervisor puts into one of its own slots: 256 to 271 of a new level-4 table, but for
   * the one through which the table maps itself; of a 32-bit guest the last ones, from 428 on, of
   * the level-2 table that the last entry of its root leads to.
   */
  default long hypervisorSlot(int slot) {
    return 0;
  }

  /**
   * What runs the domain once it has written an entry that is not present and whose address is that
   * of memory: CPUs with the L1 terminal fault read it speculatively all the same ({@code
   * pv-l1tf}). Null where CPUs are free of it, or nobody cares.
   */
  default @Nullable PagingBackend mitigation() {
    return null;
  }

  /** Whether a table may be an entry of a table of its own level ({@code pv-linear-pt}). */
  default boolean allowsLinearTables() {
    return true;
  }
}
