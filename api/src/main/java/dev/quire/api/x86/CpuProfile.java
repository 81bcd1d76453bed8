// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

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
    LA57,
    /** Nested paging. AMD. */
    NPT(Vendor.AMD),
    /** Extended page tables. Intel. */
    EPT(Vendor.INTEL),
    /** EPT entries may allow fetches without reads. */
    EPT_EXECUTE_ONLY(Vendor.INTEL),
    /** 2 MiB pages in EPT. */
    EPT_2M(Vendor.INTEL),
    /** 1 GiB pages in EPT. */
    EPT_1G(Vendor.INTEL),
    /** A and D flags in EPT. */
    EPT_AD(Vendor.INTEL),
    /** EPT of five levels. */
    EPT_5_LEVEL(Vendor.INTEL),
    /** EPT entries tell fetches of user mode from those of supervisor mode. */
    MODE_BASED_EXECUTE(Vendor.INTEL),
    /** Page-modification logging. */
    PML(Vendor.INTEL),
    /** TLB entries carry VPIDs, and there is INVVPID. */
    VPID(Vendor.INTEL),
    /**
     * A marked entry of the first dimension's root switches to nested mode. No real CPU has it, so
     * it is never among {@link CpuProfile#full}.
     */
    SWITCHING_BIT,
    /**
     * What only the other maker's CPUs have may be among the features too: for a machine on which a
     * domain can be swapped between the nested paging of both. No real CPU has it, so it is never
     * among {@link CpuProfile#full}.
     */
    BOTH_VENDORS;

    /** What only models have. */
    private static final Set<Feature> UNREAL = EnumSet.of(SWITCHING_BIT, BOTH_VENDORS);

    private final @Nullable Vendor vendor;

    Feature() {
      vendor = null;
    }

    Feature(Vendor vendor) {
      this.vendor = vendor;
    }

    /** Whether CPUs of a vendor may have it. */
    public boolean isOf(Vendor maker) {
      return vendor == null || vendor == maker;
    }
  }

  /** Checks the width and copies the set. */
  public CpuProfile {
    if (physicalBits < 32 || physicalBits > 52) {
      throw new IllegalArgumentException("MAXPHYADDR " + physicalBits + " is not within 32..52");
    }
    for (Feature feature : features) {
      if (!feature.isOf(vendor) && !features.contains(Feature.BOTH_VENDORS)) {
        throw new IllegalArgumentException("a CPU by " + vendor + " cannot have " + feature);
      }
    }
    features = Set.copyOf(features);
  }

  /** A CPU with every feature that {@linkplain #allOf its vendor's} real ones may have. */
  public static CpuProfile full(Vendor vendor, int physicalBits) {
    return new CpuProfile(vendor, physicalBits, allOf(vendor));
  }

  /** Every feature that real CPUs of a vendor may have, in a set of its own. */
  public static EnumSet<Feature> allOf(Vendor vendor) {
    EnumSet<Feature> all = EnumSet.allOf(Feature.class);
    all.removeIf(feature -> !feature.isOf(vendor) || Feature.UNREAL.contains(feature));
    return all;
  }

  /** {@link Feature#BOTH_VENDORS} and every feature of real CPUs, in a set of its own. */
  public static EnumSet<Feature> allOfBoth() {
    EnumSet<Feature> all = EnumSet.allOf(Feature.class);
    all.remove(Feature.SWITCHING_BIT);
    return all;
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
