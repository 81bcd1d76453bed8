// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

/**
 * Small numbers for the address spaces that one CPU knows: 63 VPIDs and 63 PCIDs at a time, so that
 * both fit into a key. When one kind is used up, every cached translation goes and numbering begins
 * again, as hypervisors do with ASIDs.
 */
public final class AddressSpaces {
  private static final int SLOTS = 64;

  private final int[] vpids = new int[SLOTS];
  private final int[] pcids = new int[SLOTS];
  private int vpidsUsed = 1;
  private int pcidsUsed = 1;

  /**
   * The numbers of an address space, as in a first-level {@link Key}; 0 if it has none.
   *
   * @param vpid VPID or ASID
   * @param pcid process-context identifier
   */
  public long find(int vpid, int pcid) {
    int vpidSlot = slot(vpids, vpidsUsed, vpid);
    int pcidSlot = slot(pcids, pcidsUsed, pcid);
    return vpidSlot == 0 || pcidSlot == 0 ? 0 : (long) vpidSlot << 6 | pcidSlot;
  }

  /** The number of a VPID in its place in a key; 0 if it has none. */
  public long findVpid(int vpid) {
    return (long) slot(vpids, vpidsUsed, vpid) << 6;
  }

  /**
   * Gives numbers to an address space that may have none.
   *
   * @return whether there was room; if not, all numbers are void and the caller flushes everything
   */
  public boolean admit(int vpid, int pcid) {
    boolean room = true;
    if (slot(vpids, vpidsUsed, vpid) == 0 && vpidsUsed == SLOTS
        || slot(pcids, pcidsUsed, pcid) == 0 && pcidsUsed == SLOTS) {
      vpidsUsed = 1;
      pcidsUsed = 1;
      room = false;
    }
    if (slot(vpids, vpidsUsed, vpid) == 0) {
      vpids[vpidsUsed++] = vpid;
    }
    if (slot(pcids, pcidsUsed, pcid) == 0) {
      pcids[pcidsUsed++] = pcid;
    }
    return room;
  }

  /** The VPID or ASID behind the numbers of a key. */
  public int vpid(long space) {
    return vpids[(int) (space & Key.VPID) >>> 6];
  }

  /** The PCID behind the numbers of a key; 0 for a global translation. */
  public int pcid(long space) {
    return pcids[(int) (space & Key.PCID)];
  }

  /** How many PCIDs have a number; numbers begin with 1. */
  public int pcids() {
    return pcidsUsed - 1;
  }

  private static int slot(int[] ids, int used, int id) {
    for (int slot = 1; slot < used; slot++) {
      if (ids[slot] == id) {
        return slot;
      }
    }
    return 0;
  }
}
