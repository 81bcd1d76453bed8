// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;

/**
 * What a Xen PV guest finds when it begins: Xen's {@code start_info} (public/xen.h), by offsets in
 * the first page of its memory. All its memory is mapped in a row, its pagetables read-only and
 * everything else writable. For builders, which fill it in, and workloads, which begin with it.
 */
public final class StartInfo {
  /** Where the first frame of the guest's memory is mapped, and so this page. */
  public static final @Gva long BASE = Addresses.gva(0xffff880000000000L);

  /** Text that says what follows. */
  public static final String MAGIC = "xen-3.0-x86_64";

  /** How many frames the guest has: 8 bytes. */
  public static final int PAGES = 32;

  /** Machine address of the page that guest and hypervisor share: 8 bytes. */
  public static final int SHARED_INFO = 40;

  /** Bits: 0 the domain is privileged, 1 it is the one that boots the machine. 4 bytes. */
  public static final int FLAGS = 48;

  /** Linear address of the level-4 table: 8 bytes. */
  public static final int PAGETABLES = 88;

  /** How many frames the bootstrap tables take, in a row from there on: 8 bytes. */
  public static final int PAGETABLE_FRAMES = 96;

  /** Linear address of the list of machine frames by guest frame, a quadword each: 8 bytes. */
  public static final int MFN_LIST = 104;

  private StartInfo() {}
}
