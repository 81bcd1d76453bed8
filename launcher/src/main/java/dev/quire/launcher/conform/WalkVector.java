// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.address.Gva;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.ErrorCode;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One recorded access.
 *
 * @param line where it stands in its file
 * @param id its name
 * @param mode how the tables are walked: {@code 2level}, {@code pae}, {@code 4level}, {@code
 *     5level}, {@code npt}, {@code ept}
 * @param physicalBits MAXPHYADDR
 * @param registers in force during the access
 * @param linear the linear address
 * @param access flags of {@link Access}
 * @param entries of the walk, root first, before the access
 * @param expected what happened
 * @param after what the entries may hold afterwards: each a permitted variant, by physical address
 *     of the entries that changed
 */
record WalkVector(
    int line,
    String id,
    String mode,
    int physicalBits,
    RegisterValues registers,
    @Gva long linear,
    long access,
    List<TableEntry> entries,
    Expected expected,
    List<Map<Long, Long>> after) {

  /** Modes of walks through the guest's tables alone. */
  static final Set<String> ONE_DIMENSION = Set.of("2level", "pae", "4level", "5level");

  /** Modes of walks through nested tables too. */
  static final Set<String> TWO_DIMENSIONS = Set.of("npt", "ept");

  /** What the registers hold; PKRU counts only with CR4.PKE. */
  record RegisterValues(long cr0, long cr3, long cr4, long efer, int pkru) {}

  /**
   * A paging-structure entry in memory.
   *
   * @param address physical address. Unit: bytes
   * @param value what it holds
   * @param bytes 4 or 8
   */
  record TableEntry(long address, long value, int bytes) {}

  /** What happened. */
  sealed interface Expected {
    /** A walk through nested tables, which are the business of backends that have them. */
    Unknown TWO_DIMENSIONAL = new Unknown("two-dimensional: not in this build");

    /**
     * The access succeeded.
     *
     * @param address the physical address that it reached
     * @param pageBytes size of the page; 0 if it was not recorded
     */
    record Reached(long address, long pageBytes) implements Expected {
      @Override
      public String toString() {
        return String.format(
            "reaches 0x%x%s",
            address, pageBytes == 0 ? "" : String.format(" in a page of 0x%x", pageBytes));
      }
    }

    /** The access raised #PF with this error code and address. */
    record PageFault(int errorCode, long linear) implements Expected {
      @Override
      public String toString() {
        return String.format("raises #PF %s at 0x%x", ErrorCode.describe(errorCode), linear);
      }
    }

    /** The root was refused: the MOV to CR3 before the access raised #GP(0). */
    record RootRefused() implements Expected {
      @Override
      public String toString() {
        return "raises #GP(0) when CR3 is loaded";
      }
    }

    /**
     * The recording has no answer that this build can be held to.
     *
     * @param reason why
     */
    record Unknown(String reason) implements Expected {}
  }
}
