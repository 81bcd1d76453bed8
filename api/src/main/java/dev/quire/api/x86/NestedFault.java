// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * What an exit for a nested page fault or an EPT violation says of the access: EXITINFO1 (APM vol.
 * 2, 15.25.6) or the exit qualification (SDM vol. 3, table 28-7), as {@code
 * ControlBlock.exitQualification} gives it. The two layouts need no mark to be told apart:
 * EXITINFO1 always has bit 32 or 33 set, a qualification never.
 *
 * <pre>
 *   EXITINFO1       33 in the guest's tables | 32 final | 4 fetch | 3 reserved bit | 2 user | 1 write | 0 present
 *   qualification   11 XD | 10 R/W | 9 U/S of the linear address | 8 final | 7 linear address valid |
 *                   6 user-executable | 5 executable | 4 writable | 3 readable | 2 fetch | 1 write | 0 read
 * </pre>
 */
public final class NestedFault {
  /** NPT: every entry of the nested walk was present. */
  public static final long NPT_PRESENT = ErrorCode.P;

  /** NPT: the access was a write; accesses to the guest's tables are. */
  public static final long NPT_WRITE = ErrorCode.W;

  /** NPT: nested walks are user accesses, so this is always set. */
  public static final long NPT_USER = ErrorCode.U;

  /** NPT: a reserved bit was set in a nested entry. */
  public static final long NPT_RESERVED = ErrorCode.RSVD;

  /** NPT: the access was a fetch. */
  public static final long NPT_FETCH = ErrorCode.I;

  /** NPT: the final guest-physical address was being translated. */
  public static final long NPT_FINAL = 1L << 32;

  /** NPT: the address of an entry of the guest's tables was being translated. */
  public static final long NPT_TABLE = 1L << 33;

  /** EPT: the access was a read. */
  public static final long EPT_READ = 1;

  /** EPT: the access was a write. */
  public static final long EPT_WRITE = 1 << 1;

  /** EPT: the access was a fetch. */
  public static final long EPT_FETCH = 1 << 2;

  /** EPT: lowest bit of R, W and X, each the AND over the entries of the walk. */
  public static final int EPT_RIGHTS_SHIFT = 3;

  /** EPT: bit 10 of all entries, with mode-based execute control. */
  public static final long EPT_USER_EXECUTABLE = 1 << 6;

  /** EPT: the guest-linear address is valid. */
  public static final long EPT_LINEAR = 1 << 7;

  /** EPT: the access was to the translation of the linear address, not to a guest's table. */
  public static final long EPT_FINAL = 1 << 8;

  /** EPT, final: the linear address is a user-mode address. */
  public static final long EPT_USER_PAGE = 1 << 9;

  /** EPT, final: the linear address is writable by the guest's tables. */
  public static final long EPT_WRITABLE_PAGE = 1 << 10;

  /** EPT, final: the linear address is execute-disabled by the guest's tables. */
  public static final long EPT_NO_EXECUTE_PAGE = 1 << 11;

  private NestedFault() {}

  /** Whether this is NPT's EXITINFO1; otherwise it is EPT's qualification. */
  public static boolean isNpt(long fault) {
    return (fault & (NPT_FINAL | NPT_TABLE)) != 0;
  }

  /** Whether the access was a read: of a guest's table too, with EPT. */
  public static boolean isRead(long fault) {
    return isNpt(fault) ? (fault & (NPT_WRITE | NPT_FETCH)) == 0 : (fault & EPT_READ) != 0;
  }

  /** Whether the access was a write; EPT says that one to a guest's table is read and write. */
  public static boolean isWrite(long fault) {
    return (fault & EPT_WRITE) != 0; // bit 1 in both
  }

  /** Whether the access was a fetch. */
  public static boolean isFetch(long fault) {
    return (fault & (isNpt(fault) ? NPT_FETCH : EPT_FETCH)) != 0;
  }

  /** Whether the guest-physical address is that of an entry of the guest's tables. */
  public static boolean isInGuestTables(long fault) {
    return isNpt(fault)
        ? (fault & NPT_TABLE) != 0
        : (fault & (EPT_LINEAR | EPT_FINAL)) == EPT_LINEAR;
  }

  /** Whether the guest-physical address is what the linear address translates to. */
  public static boolean isFinal(long fault) {
    return (fault & (isNpt(fault) ? NPT_FINAL : EPT_FINAL)) != 0;
  }

  /** Whether there is a guest-linear address; EPT has none for PDPTEs that a MOV to CR3 loads. */
  public static boolean isLinearValid(long fault) {
    return isNpt(fault) || (fault & EPT_LINEAR) != 0;
  }

  /** Whether the nested tables map the address, with rights that did not suffice. */
  public static boolean isPresent(long fault) {
    return isNpt(fault)
        ? (fault & NPT_PRESENT) != 0
        : (fault >>> EPT_RIGHTS_SHIFT & EptEntry.RIGHTS | fault & EPT_USER_EXECUTABLE) != 0;
  }

  /** NPT: whether a reserved bit was set in a nested entry. EPT has misconfigurations for that. */
  public static boolean isReserved(long fault) {
    return isNpt(fault) && (fault & NPT_RESERVED) != 0;
  }

  /** For people: {@code "write, final, present"}. */
  public static String describe(long fault) {
    String kind = isFetch(fault) ? "fetch" : isWrite(fault) ? "write" : "read";
    String where = isFinal(fault) ? "final" : isInGuestTables(fault) ? "guest table" : "PDPTE load";
    String state = isReserved(fault) ? "reserved bit" : isPresent(fault) ? "present" : "absent";
    return kind + ", " + where + ", " + state;
  }
}
