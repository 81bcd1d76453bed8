// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

/**
 * First bytes of the records of an X86PTRC1 file. What each record holds and means is in the
 * format's description; {@link TraceReader} says which of its answers hold after which tag.
 */
public final class Tag {
  public static final int END = 0x00;
  public static final int TICK = 0x01;
  public static final int CR0 = 0x02;
  public static final int CR3 = 0x03;
  public static final int CR4 = 0x04;
  public static final int EFER = 0x05;
  public static final int PKRU = 0x06;
  public static final int INVLPG = 0x07;
  public static final int INVPCID = 0x08;
  public static final int PDPTE = 0x09;
  public static final int PTPAGE = 0x0B;
  public static final int PTSTORE = 0x0C;
  public static final int FILL = 0x0D;
  public static final int FAULT = 0x0E;
  public static final int CR0_IMPLICIT = 0x12;
  public static final int CR3_IMPLICIT = 0x13;
  public static final int CR4_IMPLICIT = 0x14;
  public static final int EFER_IMPLICIT = 0x15;
  public static final int PKRU_IMPLICIT = 0x16;
  public static final int RETIRE = 0x20;
  public static final int WINDOW_BEGIN = 0x21;
  public static final int WINDOW_END = 0x22;
  public static final int STATE_END = 0x23;
  public static final int IRQ = 0x24;
  public static final int HLT = 0x25;
  public static final int MARK = 0x26;

  /** Every tag from here up to 0xFF is an ACCESS; {@link TraceReader#next} answers this one. */
  public static final int ACCESS = 0x80;

  private static final String[] NAMES = {
    "END",
    "TICK",
    "CR0",
    "CR3",
    "CR4",
    "EFER",
    "PKRU",
    "INVLPG",
    "INVPCID",
    "PDPTE",
    "",
    "PTPAGE",
    "PTSTORE",
    "FILL",
    "FAULT",
    "",
    "",
    "",
    "CR0i",
    "CR3i",
    "CR4i",
    "EFERi",
    "PKRUi",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "RETIRE",
    "WINDOW_BEGIN",
    "WINDOW_END",
    "STATE_END",
    "IRQ",
    "HLT",
    "MARK"
  };

  private Tag() {}

  /** The name of a tag that {@link TraceReader#next} answers, as the description has it. */
  public static String name(int tag) {
    return tag == ACCESS ? "ACCESS" : NAMES[tag];
  }
}
