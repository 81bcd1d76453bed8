// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.EptEntry;
import dev.quire.api.x86.NestedFault;
import dev.quire.api.x86.PageEntry;
import dev.quire.launcher.conform.WalkVector.Expected;
import dev.quire.launcher.conform.WalkVector.Nested;

/** What vectors of walks in two dimensions say beyond the others. */
final class SecondDimension {
  /** Flags of an EPT pointer (SDM vol. 3, 25.6.11). */
  private static final long EPTP_ACCESSED_DIRTY = 1L << 6;

  private static final int EPTP_LEVELS_SHIFT = 3;

  private SecondDimension() {}

  static void enter(NestedPaging paging, Nested nested, boolean ept) {
    paging.root = Addresses.maddr(nested.root() & PageEntry.FRAME);
    if (ept) {
      paging.format = NestedPaging.Format.EPT;
      paging.levels = (int) (nested.root() >>> EPTP_LEVELS_SHIFT & 7) + 1;
      paging.accessedDirty = (nested.root() & EPTP_ACCESSED_DIRTY) != 0;
    } else {
      paging.format = NestedPaging.Format.NPT;
      paging.noExecute = (nested.hostEfer() & Efer.NXE) != 0;
    }
  }

  /** The exit that a control block tells of; NPT has no guest-linear address. */
  static Expected fault(ControlBlock control) {
    long qualification = control.exitQualification();
    boolean linear = !NestedFault.isNpt(qualification) && NestedFault.isLinearValid(qualification);
    return new Expected.NestedPageFault(
        qualification, control.exitGuestPhysical(), linear ? control.exitLinear() : 0, 0);
  }

  /**
   * Bits of the guest's entries that may be either way: A, where a walk with EPT was refused. One
   * emulator alone has been recorded there, and when A is set is not laid down.
   */
  static long free(WalkVector vector) {
    return isRefused(vector) ? PageEntry.A : 0;
  }

  /** The same of nested entries. */
  static long freeNested(WalkVector vector) {
    return isRefused(vector) ? EptEntry.A : 0;
  }

  private static boolean isRefused(WalkVector vector) {
    return vector.isEpt() && !(vector.expected() instanceof Expected.Reached);
  }
}
