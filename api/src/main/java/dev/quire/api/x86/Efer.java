// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/** Bits of the EFER model-specific register (SDM vol. 3, 2.2.1; APM vol. 2, 3.1.7). */
public final class Efer {
  /** The number of the register, for RDMSR and WRMSR. */
  public static final int MSR = 0xc0000080;

  /** SYSCALL enable; no part in paging. */
  public static final long SCE = 1L;

  /** Long-mode enable. */
  public static final long LME = 1L << 8;

  /** Long-mode active: follows LME and CR0.PG, never taken from an operand. */
  public static final long LMA = 1L << 10;

  /** No-execute enable. */
  public static final long NXE = 1L << 11;

  /** Secure virtual machine enable; no part in paging. */
  public static final long SVME = 1L << 12;

  private Efer() {}
}
