// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Gpa;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PagingFormat;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A mode of paging that a guest may choose, with the instructions that lead into it and out. */
enum GuestMode {
  /** CR0.PG = 0: linear addresses are guest-physical. */
  UNPAGED(null, 0, 0),
  /** 4-byte entries. */
  TWO_LEVEL(PagingFormat.TWO_LEVEL, Cr4.PSE | Cr4.PGE, 0, Feature.PSE),
  /** 8-byte entries, the root in registers. */
  PAE(PagingFormat.PAE, Cr4.PAE | Cr4.PGE, Efer.NXE, Feature.PAE, Feature.NX),
  /** Long mode. */
  FOUR_LEVEL(
      PagingFormat.FOUR_LEVEL,
      Cr4.PAE | Cr4.PGE,
      Efer.LME | Efer.NXE,
      Feature.LONG_MODE,
      Feature.NX),
  /** Long mode with process-context identifiers. */
  FOUR_LEVEL_PCID(
      PagingFormat.FOUR_LEVEL,
      Cr4.PAE | Cr4.PGE | Cr4.PCIDE,
      Efer.LME | Efer.NXE,
      Feature.LONG_MODE,
      Feature.NX,
      Feature.PCID,
      Feature.INVPCID),
  /** Long mode with 57-bit addresses. */
  FIVE_LEVEL(
      PagingFormat.FIVE_LEVEL,
      Cr4.PAE | Cr4.PGE | Cr4.LA57,
      Efer.LME | Efer.NXE,
      Feature.LONG_MODE,
      Feature.NX,
      Feature.LA57);

  /** How many operations {@link #enter} and {@link #leave} add at most. */
  static final int STEPS = 6;

  private static final long PAGED = Cr0.PE | Cr0.PG | Cr0.WP;

  private final @Nullable PagingFormat format;
  private final long cr4;
  private final long efer;
  private final Set<Feature> needs;

  GuestMode(@Nullable PagingFormat format, long cr4, long efer, Feature... needs) {
    this.format = format;
    this.cr4 = cr4;
    this.efer = efer;
    this.needs = Set.of(needs);
  }

  /** The modes that a CPU offers. */
  static List<GuestMode> offeredBy(CpuProfile profile) {
    return List.of(values()).stream()
        .filter(mode -> mode.needs.stream().allMatch(profile::has))
        .toList();
  }

  /** The format of its tables; null with paging off. */
  @Nullable PagingFormat format() {
    return format;
  }

  boolean isPaged() {
    return format != null;
  }

  boolean hasPcids() {
    return (cr4 & Cr4.PCIDE) != 0;
  }

  /** What CR0 holds in this mode, beside ET. */
  long cr0() {
    return isPaged() ? PAGED : Cr0.PE;
  }

  /** What CR4 holds in this mode. */
  long cr4() {
    return cr4;
  }

  /** From reset or from {@link #UNPAGED} into this mode, as kernels do it (SDM vol. 3, 10.8.5). */
  void enter(OperationBlock block, @Gpa long root) {
    block.control(Kind.MOV_CR0, Cr0.PE);
    if (!isPaged()) {
      return;
    }
    block.control(Kind.MOV_CR4, cr4 & ~Cr4.PCIDE);
    block.control(Kind.MOV_CR3, root);
    if (efer != 0) {
      block.control(Kind.WRMSR_EFER, efer);
    }
    block.control(Kind.MOV_CR0, PAGED);
    if (hasPcids()) {
      block.control(Kind.MOV_CR4, cr4); // not before paging is on, and CR3 has PCID 0
    }
  }

  /** Back to {@link #UNPAGED}. */
  void leave(OperationBlock block) {
    if (hasPcids()) {
      block.control(Kind.MOV_CR4, cr4 & ~Cr4.PCIDE); // paging cannot be switched off before
    }
    block.control(Kind.MOV_CR0, Cr0.PE);
    if (efer != 0) {
      block.control(Kind.WRMSR_EFER, 0);
    }
    block.control(Kind.MOV_CR4, 0);
  }
}
