// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

/**
 * What a frame of segment descriptors may hold ({@code check_descriptor}): code and data, call
 * gates into the guest's own, and what is not present. Privileges are made the guest's, not
 * refused.
 */
final class Descriptors {
  private static final long PRESENT = 1L << 47;
  private static final int DPL_SHIFT = 45;
  private static final long DPL = 3L << DPL_SHIFT;
  private static final long NOT_SYSTEM = 1L << 44;
  private static final int TYPE_SHIFT = 40;
  private static final int CALL_GATE = 12;

  /** Of a call gate: bits 37 to 39, which are reserved. */
  private static final long GATE_RESERVED = 0xe0L << 32;

  /** Of a call gate: the privilege bits of the selector. */
  private static final int SELECTOR_SHIFT = 16;

  /** Entries of the GDT from here on are the hypervisor's. */
  static final int FIRST_RESERVED_ENTRY = 14 * 512;

  /** The code segment that the hypervisor lends every 64-bit guest ({@code FLAT_KERNEL_CS}). */
  private static final int FLAT_CODE = 0xe033;

  /** Of a selector: it is in the LDT. */
  private static final int LOCAL = 4;

  private Descriptors() {}

  static boolean isAllowed(long descriptor) {
    if ((descriptor & PRESENT) == 0 || (descriptor & NOT_SYSTEM) != 0) {
      return true;
    }
    int type = (int) (descriptor >>> TYPE_SHIFT) & 15;
    if (type == 0) {
      return true; // an invalid type that faults when it is used
    }
    int selector = (int) (descriptor >>> SELECTOR_SHIFT) & 0xffff;
    boolean own =
        selector >>> 3 < FIRST_RESERVED_ENTRY
            || (selector | 3) == FLAT_CODE
            || (selector & LOCAL) != 0;
    return type == CALL_GATE && own && (descriptor & GATE_RESERVED) == 0;
  }

  /** A descriptor that is allowed, as the hardware is to see it. */
  static long adjusted(long descriptor) {
    if ((descriptor & PRESENT) == 0) {
      return descriptor;
    }
    if ((descriptor & NOT_SYSTEM) != 0) {
      return descriptor | DPL; // guests of 64 bits run in ring 3 only
    }
    if (((descriptor >>> TYPE_SHIFT) & 15) == 0) {
      return descriptor;
    }
    // a gate is emulated by the hypervisor, which finds the guest's privilege beside the selector
    long privilege = descriptor >>> DPL_SHIFT & 3;
    return descriptor & ~DPL & ~(3L << SELECTOR_SHIFT) | privilege << SELECTOR_SHIFT;
  }
}
