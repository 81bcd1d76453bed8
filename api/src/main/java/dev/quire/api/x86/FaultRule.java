// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * Why the hardware refuses a translation: every refusal has a name (shown by {@code explain} and in
 * reports).
 */
public enum FaultRule {
  /** An entry of the walk has P = 0. */
  NOT_PRESENT("SDM vol. 3, 4.7: P flag"),
  /** A present entry has a bit set that must be zero. */
  RESERVED_BIT("SDM vol. 3, 4.7: RSVD flag; tables 4-4 to 4-20"),
  /** A user-mode access, and U/S = 0 in an entry of the walk. */
  USER_TO_SUPERVISOR("SDM vol. 3, 4.6.1: user-mode accesses"),
  /**
   * A write by user mode, or by supervisor mode with CR0.WP = 1, and R/W = 0 in an entry of the
   * walk.
   */
  READ_ONLY("SDM vol. 3, 4.6.1: data writes"),
  /** A fetch, and XD = 1 in an entry of the walk. */
  NO_EXECUTE("SDM vol. 3, 4.6.1: instruction fetches"),
  /** A supervisor-mode fetch from a user-mode address with CR4.SMEP = 1. */
  SMEP("SDM vol. 3, 4.6.1: CR4.SMEP"),
  /**
   * A supervisor-mode data access to a user-mode address with CR4.SMAP = 1, not exempt by
   * EFLAGS.AC.
   */
  SMAP("SDM vol. 3, 4.6.1: CR4.SMAP"),
  /** The key of the page has its access-disable bit set in PKRU or IA32_PKRS. */
  KEY_ACCESS_DISABLED("SDM vol. 3, 4.6.2: ADi"),
  /** A write, and the key of the page has its write-disable bit set in PKRU or IA32_PKRS. */
  KEY_WRITE_DISABLED("SDM vol. 3, 4.6.2: WDi"),
  /** The linear address is not canonical: #GP(0), no walk. */
  NOT_CANONICAL("SDM vol. 1, 3.3.7.1"),
  /** A table lies in a guest frame that is no memory: a software walk cannot go on. */
  TABLE_NOT_MEMORY("hap-p2m: missing guest table frame"),
  /** A nested entry is not present: P = 0, or none of R, W and X. */
  NESTED_NOT_PRESENT("APM vol. 2, 15.25.6; SDM vol. 3, 29.3.3.2", Exit.NESTED_FAULT),
  /** NPT: a present nested entry has a bit set that must be zero. */
  NESTED_RESERVED_BIT("APM vol. 2, 15.25.6", Exit.NESTED_FAULT),
  /** NPT: U/S = 0 in a nested entry, and nested walks are user accesses. */
  NESTED_SUPERVISOR("APM vol. 2, 15.25.5", Exit.NESTED_FAULT),
  /** EPT: R = 0 in a nested entry of a walk for a read. */
  NESTED_NOT_READABLE("SDM vol. 3, 29.3.3.2", Exit.NESTED_FAULT),
  /** A write, or an access to a guest's table that counts as one, and no right to write. */
  NESTED_READ_ONLY("APM vol. 2, 15.25.6; SDM vol. 3, 29.3.3.2", Exit.NESTED_FAULT),
  /** A fetch, and a nested entry that forbids it. */
  NESTED_NO_EXECUTE("APM vol. 2, 15.25.6; SDM vol. 3, 29.3.3.2", Exit.NESTED_FAULT),
  /** EPT misconfiguration: W without R, or X without R on a CPU without execute-only pages. */
  EPT_RIGHTS_COMBINATION("SDM vol. 3, 29.3.3.1", Exit.EPT_MISCONFIGURATION),
  /** EPT misconfiguration: a bit set that must be zero at this level. */
  EPT_RESERVED_BIT("SDM vol. 3, 29.3.3.1", Exit.EPT_MISCONFIGURATION),
  /** EPT misconfiguration: no such memory type. */
  EPT_MEMORY_TYPE("SDM vol. 3, 29.3.3.1", Exit.EPT_MISCONFIGURATION),
  /** The page-modification log is full. */
  PML_FULL("SDM vol. 3, 29.3.6", Exit.PML_FULL);

  /** What a refusal leads to. */
  public enum Exit {
    /** A fault of the guest's, or #GP(0). */
    NONE,
    /** A nested page fault or an EPT violation. */
    NESTED_FAULT,
    /** An EPT misconfiguration. */
    EPT_MISCONFIGURATION,
    /** A full page-modification log. */
    PML_FULL
  }

  private static final FaultRule[] ALL = values();

  private final String source;
  private final Exit exit;

  FaultRule(String source) {
    this(source, Exit.NONE);
  }

  FaultRule(String source, Exit exit) {
    this.source = source;
    this.exit = exit;
  }

  /** Which exit of the second dimension it leads to. */
  public Exit exit() {
    return exit;
  }

  /** Where the rule stands. */
  public String source() {
    return source;
  }

  /** The rule with this ordinal, without making an array. */
  public static FaultRule at(int ordinal) {
    return ALL[ordinal];
  }
}
