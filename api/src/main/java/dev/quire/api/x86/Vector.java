// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/** Exceptions that an access or a privileged operation can end in (SDM vol. 3, 6.3.1). */
public final class Vector {
  /** Invalid opcode: the CPU lacks the instruction. */
  public static final int UD = 6;

  /** General protection. */
  public static final int GP = 13;

  /** Page fault. */
  public static final int PF = 14;

  private Vector() {}

  /** For people: {@code "#PF"}. */
  public static String describe(int vector) {
    return switch (vector) {
      case UD -> "#UD";
      case GP -> "#GP";
      case PF -> "#PF";
      default -> "exception " + vector;
    };
  }
}
