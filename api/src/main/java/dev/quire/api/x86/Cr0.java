// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/** Bits of CR0 that paging and its mode changes depend on (SDM vol. 3, 2.5; APM vol. 2, 3.1.1). */
public final class Cr0 {
  /** Protection enable. */
  public static final long PE = 1L;

  /** Monitor coprocessor; no part in paging. */
  public static final long MP = 1L << 1;

  /** Task switched; no part in paging. */
  public static final long TS = 1L << 3;

  /** Extension type: always one. */
  public static final long ET = 1L << 4;

  /** Numeric error; no part in paging. */
  public static final long NE = 1L << 5;

  /** Write protect: supervisor writes honour R/W = 0. */
  public static final long WP = 1L << 16;

  /** Alignment mask; no part in paging. */
  public static final long AM = 1L << 18;

  /** Not write-through; must not be set without {@link #CD}. */
  public static final long NW = 1L << 29;

  /** Cache disable. */
  public static final long CD = 1L << 30;

  /** Paging. */
  public static final long PG = 1L << 31;

  /** What CR0 holds after reset. */
  public static final long RESET = CD | NW | ET;

  private Cr0() {}
}
