// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PagingRules;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a walk needs to know of a set of registers, worked out once and reused: the rules, the root,
 * the PDPTE registers and the keys. Refreshed by its owner with {@link #load} when registers
 * change; not safe for use by several threads.
 */
public final class PagingContext {
  private static final long CR0_BITS = Cr0.PG | Cr0.WP;
  private static final long EFER_BITS = Efer.LMA | Efer.NXE;

  private final CpuProfile profile;
  private final long[] pdptes = new long[Registers.PDPTES];
  private @Nullable PagingRules rules;

  /** The rules that the registers below gave; others if {@link #rules} were set directly. */
  private @Nullable PagingRules loaded;

  private long root;
  private int pcid;
  private int pkru;
  private int pkrs;
  private long cr0;
  private long cr4;
  private long efer;

  /**
   * A context with paging off.
   *
   * @param profile the CPU whose rules apply
   */
  public PagingContext(CpuProfile profile) {
    this.profile = profile;
  }

  /** A copy. */
  public PagingContext(PagingContext other) {
    this(other.profile);
    set(other);
  }

  /** Takes everything from {@code other}. */
  public void set(PagingContext other) {
    rules = other.rules;
    loaded = other.loaded;
    root = other.root;
    pcid = other.pcid;
    pkru = other.pkru;
    pkrs = other.pkrs;
    cr0 = other.cr0;
    cr4 = other.cr4;
    efer = other.efer;
    System.arraycopy(other.pdptes, 0, pdptes, 0, pdptes.length);
  }

  /** Takes what {@code registers} say. Allocates only when the rules change. */
  public void load(Registers registers) {
    boolean same =
        Objects.equals(rules, loaded)
            && ((registers.cr0 ^ cr0) & CR0_BITS) == 0
            && ((registers.cr4 ^ cr4) & Cr4.PAGING) == 0
            && ((registers.efer ^ efer) & EFER_BITS) == 0;
    if (!same) {
      cr0 = registers.cr0;
      cr4 = registers.cr4;
      efer = registers.efer;
      rules = PagingRules.of(profile, cr0, cr4, efer);
      loaded = rules;
    }
    PagingRules now = rules;
    root = now == null ? 0 : registers.cr3 & rootMask(now) & ~profile.addressesBeyond();
    pcid = (registers.cr4 & Cr4.PCIDE) != 0 ? (int) (registers.cr3 & Cr3.PCID) : 0;
    pkru = registers.pkru;
    pkrs = registers.pkrs;
    System.arraycopy(registers.pdptes, 0, pdptes, 0, pdptes.length);
  }

  /**
   * Takes rules and a root directly: for tables that no register points to, and for small worlds.
   */
  public void set(PagingRules newRules, long newRoot) {
    rules = newRules;
    root = newRoot;
  }

  private static long rootMask(PagingRules rules) {
    return switch (rules.format().levels()) {
      case 2 -> Cr3.ROOT_2_LEVEL;
      case 3 -> Cr3.ROOT_PAE;
      default -> Cr3.ROOT;
    };
  }

  /** The rules; null with paging off. */
  public @Nullable PagingRules rules() {
    return rules;
  }

  /** Physical address of the root table, in the address space of the tables. Unit: bytes. */
  public long root() {
    return root;
  }

  /** The PDPTE registers. */
  public long[] pdptes() {
    return pdptes;
  }

  /** The process-context identifier, 0 without CR4.PCIDE. */
  public int pcid() {
    return pcid;
  }

  /** PKRU. */
  public int pkru() {
    return pkru;
  }

  /** IA32_PKRS. */
  public int pkrs() {
    return pkrs;
  }

  /** The CPU whose rules apply. */
  public CpuProfile profile() {
    return profile;
  }
}
