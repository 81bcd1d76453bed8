// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;

/**
 * The second dimension of address translation, from guest-physical to machine addresses, as the
 * hardware is told of it: nested CR3 with the host's EFER.NXE, or the EPT pointer and the execution
 * controls that belong to it (APM vol. 2, 15.25; SDM vol. 3, 25.6.11 and 29.3). Plain data, part of
 * a {@link ControlBlock}; the backend writes it, the CPU reads it at each entry and counts {@link
 * #pmlIndex} down.
 */
public final class NestedPaging {
  /** What {@link #pmlIndex} begins with: the last entry of the buffer. */
  public static final int PML_FIRST = 511;

  /** Which tables there are. */
  public enum Format {
    /** None: the guest's physical addresses are machine addresses. */
    NONE,
    /** AMD's nested page tables, of the host's own format: 4-level, long mode. */
    NPT,
    /** Intel's extended page tables, 4- or 5-level. */
    EPT
  }

  /** Which tables there are; {@link Format#NONE} switches the dimension off. */
  public Format format = Format.NONE;

  /** Address of the root table: nCR3, or bits 51:12 of the EPTP. Unit: bytes. */
  public @Maddr long root = Addresses.maddr(0);

  /** How many levels the tables have: 4, or 5 with EPT on a CPU that can. */
  public int levels = 4;

  /** NPT: the host's EFER.NXE; without it bit 63 of a nested entry is reserved. */
  public boolean noExecute;

  /** EPT: A and D flags are on, EPTP bit 6; then accesses to the guest's tables are writes. */
  public boolean accessedDirty;

  /** EPT: bit 2 of an entry is for supervisor-mode fetches only, bit 10 for those of user mode. */
  public boolean modeBasedExecute;

  /** EPT with {@link #accessedDirty}: page-modification logging is on. */
  public boolean logging;

  /** Address of the log, one frame of 512 guest-physical addresses. Unit: bytes. */
  public @Maddr long pmlBase = Addresses.maddr(0);

  /**
   * The entry of the log that is written next, from {@link #PML_FIRST} down; below zero the log is
   * full, and a write that would be logged exits first.
   */
  public int pmlIndex = PML_FIRST;

  /**
   * No real CPU: an entry of the guest's root that has {@link dev.quire.api.x86.PageEntry#SWITCHES}
   * set is the last one in the first dimension's tables, which lie in machine memory; below it the
   * walk goes on in nested mode.
   */
  public boolean switchingBit;

  /** Whether there is a second dimension. */
  public boolean isOn() {
    return format != Format.NONE;
  }

  /** No second dimension, and all else as at the beginning. */
  public void clear() {
    set(new NestedPaging());
  }

  /** Makes this equal to {@code other}. */
  public void set(NestedPaging other) {
    format = other.format;
    root = other.root;
    levels = other.levels;
    noExecute = other.noExecute;
    accessedDirty = other.accessedDirty;
    modeBasedExecute = other.modeBasedExecute;
    logging = other.logging;
    pmlBase = other.pmlBase;
    pmlIndex = other.pmlIndex;
    switchingBit = other.switchingBit;
  }

  /** Whether a walk sees the same as with {@code other}: everything but the log's place. */
  public boolean isAs(NestedPaging other) {
    return format == other.format
        && root == other.root
        && levels == other.levels
        && noExecute == other.noExecute
        && accessedDirty == other.accessedDirty
        && modeBasedExecute == other.modeBasedExecute
        && logging == other.logging
        && switchingBit == other.switchingBit;
  }
}
