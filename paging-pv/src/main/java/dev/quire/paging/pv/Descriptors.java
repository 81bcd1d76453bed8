// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.domain.Errno;

/**
 * What a frame of segment descriptors may hold ({@code check_descriptor}): code and data of the
 * guest's rings, call gates into them, and what is not present.
 */
final class Descriptors {
  private static final long PRESENT = 1L << 47;
  private static final int DPL_SHIFT = 45;
  private static final long NOT_SYSTEM = 1L << 44;
  private static final int TYPE_SHIFT = 40;
  private static final int CALL_GATE = 12;

  /** Selectors from here on are the hypervisor's. */
  private static final int FIRST_XEN_SELECTOR = 14 << 12;

  private Descriptors() {}

  static Errno check(long[] descriptors) {
    for (long descriptor : descriptors) {
      if (!isAllowed(descriptor)) {
        return Errno.EINVAL;
      }
    }
    return Errno.OK;
  }

  static boolean isAllowed(long descriptor) {
    if ((descriptor & PRESENT) == 0) {
      return true;
    }
    if ((descriptor & NOT_SYSTEM) != 0) {
      return (descriptor >>> DPL_SHIFT & 3) == 3; // 64-bit guests run in ring 3 only
    }
    int type = (int) (descriptor >>> TYPE_SHIFT) & 15;
    if (type == 0) {
      return true;
    }
    int selector = (int) (descriptor >>> 16) & 0xfffc;
    return type == CALL_GATE && selector < FIRST_XEN_SELECTOR && selector != 0;
  }
}
