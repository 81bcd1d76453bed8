// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

/** How the p2m is written in machine memory; the backend that uses its root says which. */
public enum P2mFormat {
  /**
   * 4-level x86 entries with the type in software bits 58:52: NPT, and what shadow paging reads.
   */
  X86,
  /** EPT entries. */
  EPT
}
