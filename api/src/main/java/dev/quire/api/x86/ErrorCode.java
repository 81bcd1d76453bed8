// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/** Bits of the error code that a page fault pushes (SDM vol. 3, 4.7). */
public final class ErrorCode {
  /** The fault is a violation of rights or reserved bits, not an entry that is not present. */
  public static final int P = 1;

  /** The access was a write. */
  public static final int W = 1 << 1;

  /** The access was a user-mode access. */
  public static final int U = 1 << 2;

  /** A reserved bit was set in a present entry of the walk. */
  public static final int RSVD = 1 << 3;

  /** The access was an instruction fetch; reported with NX or SMEP in force only. */
  public static final int I = 1 << 4;

  /** The protection key of the page forbids the access. */
  public static final int PK = 1 << 5;

  private static final String[] NAMES = {"P", "W", "U", "RSVD", "I", "PK"};

  private ErrorCode() {}

  /** For people: {@code "0x7 (P W U)"}. */
  public static String describe(int code) {
    StringBuilder names = new StringBuilder();
    for (int bit = 0; bit < NAMES.length; bit++) {
      if ((code >>> bit & 1) != 0) {
        names.append(names.isEmpty() ? "" : " ").append(NAMES[bit]);
      }
    }
    return "0x" + Integer.toHexString(code) + " (" + names + ")";
  }
}
