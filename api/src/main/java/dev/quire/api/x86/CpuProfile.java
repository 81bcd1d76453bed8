// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import java.util.EnumSet;
import java.util.Set;

/**
 * What CPUID would say of a CPU, as far as paging goes. Made by the launcher from the
 * configuration; read by the machine and by backends.
 *
 * @param vendor who made it; decides the few points where AMD and Intel differ
 * @param physicalBits MAXPHYADDR, 32 to 52
 * @param features what it can do
 */
public record CpuProfile(Vendor vendor, int physicalBits, Set<Feature> features) {

  /** The two makers whose manuals the model follows. */
  public enum Vendor {
    /** APM. */
    AMD,
    /** SDM. */
    INTEL
  }

  /** Capabilities that software sees as CPUID bits; without one, its control bit is reserved. */
  public enum Feature {
    /** 4 MiB pages. */
    PSE,
    /** Physical addresses above 4 GiB in 4 MiB pages. */
    PSE36,
    /** 8-byte entries. */
    PAE,
    /** Global pages. */
    PGE,
    /** Execute disable. */
    NX,
    /** Long mode. */
    LONG_MODE,
    /** 1 GiB pages. */
    PAGE_1G,
    /** Process-context identifiers. */
    PCID,
    /** The INVPCID instruction. */
    INVPCID,
    /** Supervisor-mode execution prevention. */
    SMEP,
    /** Supervisor-mode access prevention. */
    SMAP,
    /** Protection keys for user pages. */
    PKU,
    /** Protection keys for supervisor pages. */
    PKS,
    /** 5-level paging. */
    LA57
  }

  /** Checks the width and copies the set. */
  public CpuProfile {
    if (physicalBits < 32 || physicalBits > 52) {
      throw new IllegalArgumentException("MAXPHYADDR " + physicalBits + " is not within 32..52");
    }
    features = Set.copyOf(features);
  }

  /** A CPU with every feature of this list. */
  public static CpuProfile full(Vendor vendor, int physicalBits) {
    return new CpuProfile(vendor, physicalBits, EnumSet.allOf(Feature.class));
  }

  /** Whether the CPU has {@code feature}. */
  public boolean has(Feature feature) {
    return features.contains(feature);
  }

  /** Bits 51:MAXPHYADDR, which no address of this machine may have. */
  public long addressesBeyond() {
    return PageEntry.FRAME & -1L << physicalBits;
  }
}
