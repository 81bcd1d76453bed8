// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.address.Gva;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.EptEntry;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.NestedFault;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

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
 * @param nested the second dimension; absent for walks through the guest's tables alone
 * @param expected what happened
 * @param after what the entries may hold afterwards: each a permitted variant, by physical address
 *     of the entries that changed; empty if nothing is known
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
    Optional<Nested> nested,
    Expected expected,
    List<Map<Long, Long>> after) {

  /** Modes of walks through the guest's tables alone. */
  static final Set<String> ONE_DIMENSION = Set.of("2level", "pae", "4level", "5level");

  /** Modes of walks through nested tables too. */
  static final Set<String> TWO_DIMENSIONS = Set.of("npt", "ept");

  /**
   * The second dimension.
   *
   * @param entries of the nested tables that are needed for any step, in no order
   * @param root address of the root: nCR3, or the EPT pointer with its flags. Unit: bytes
   * @param hostEfer the host's EFER (NPT)
   * @param pdptes the PDPTE registers (EPT with a PAE guest); empty if they are not used
   */
  record Nested(List<TableEntry> entries, long root, long hostEfer, List<Long> pdptes) {}

  /** The entries of both dimensions. */
  List<TableEntry> allEntries() {
    return nested
        .map(it -> Stream.concat(entries.stream(), it.entries().stream()).toList())
        .orElse(entries);
  }

  /** Which it is, for people. */
  String describe() {
    return String.format("%s (line %d): %s of 0x%x", id, line, Access.describe(access), linear);
  }

  /** Whether the recording is of nested page tables, and so of an AMD CPU. */
  boolean isNpt() {
    return mode.equals("npt");
  }

  /** Whether the recording is of extended page tables. */
  boolean isEpt() {
    return mode.equals("ept");
  }

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
     * A nested page fault or an EPT violation.
     *
     * @param qualification EXITINFO1, or the exit qualification
     * @param guestPhysical the address that was not translated. Unit: bytes
     * @param linear the guest-linear address; 0 if there is none, or for NPT
     * @param ignored bits of {@code qualification} that are not compared
     */
    record NestedPageFault(long qualification, long guestPhysical, long linear, long ignored)
        implements Expected {
      NestedPageFault ignoring(long bits) {
        return new NestedPageFault(qualification, guestPhysical, linear, bits);
      }

      boolean agrees(NestedPageFault seen) {
        return ((qualification ^ seen.qualification) & ~ignored) == 0
            && guestPhysical == seen.guestPhysical
            && linear == seen.linear;
      }

      @Override
      public String toString() {
        return String.format(
            "exits with 0x%x (%s) at guest-physical 0x%x, linear 0x%x",
            qualification, NestedFault.describe(qualification), guestPhysical, linear);
      }
    }

    /**
     * An EPT misconfiguration.
     *
     * @param guestPhysical the address that was being translated. Unit: bytes
     */
    record Misconfiguration(long guestPhysical) implements Expected {
      @Override
      public String toString() {
        return String.format("exits with a misconfiguration at guest-physical 0x%x", guestPhysical);
      }
    }

    /**
     * No emulator does what the manual says: the guest's A or D bit cannot be written, since EPT
     * does not permit writes to the table, and that is an EPT violation.
     */
    record TableUpdateRefused() implements Expected {
      private static final long UPDATE =
          NestedFault.EPT_READ | NestedFault.EPT_WRITE | NestedFault.EPT_LINEAR;

      boolean agrees(NestedPageFault seen) {
        long others = NestedFault.EPT_FETCH | NestedFault.EPT_FINAL | WRITABLE;
        return (seen.qualification & (UPDATE | others)) == UPDATE;
      }

      private static final long WRITABLE = EptEntry.WRITE << NestedFault.EPT_RIGHTS_SHIFT;

      @Override
      public String toString() {
        return "exits with an EPT violation, a write to a guest's table";
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
