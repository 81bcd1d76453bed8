// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The control registers of one kind of CPU. A write is decided first, by {@link RegisterRule} and
 * by the PDPTEs that it loads; what is performed then cannot fail.
 *
 * <p>MOV takes 32 bits of its operand outside long mode, so that bits 63:32 of CR3 do not exist
 * there and bit 63 of the operand means nothing. WRMSR takes 64 bits in every mode.
 *
 * <p>Where the SDM asks for less (it does not name PSE or NXE, nor PG set), we follow the APM or
 * flush because an entry made under other rules would answer wrongly: a CPU may always forget more
 * than it must (SDM vol. 3, 4.10.4.1; APM vol. 2, 5.5.2).
 */
public final class ControlRegisters implements ControlRegisterUnit {
  /** PE, MP, EM, TS, ET, NE, WP, AM, NW, CD and PG; other bits of CR0[31:0] are ignored. */
  private static final long CR0_DEFINED = 0xe005003fL;

  private static final long CR0_RULES = Cr0.PG | Cr0.WP;

  private static final long CR4_FLUSHES_WHEN_SET = Cr4.PGE | Cr4.PAE | Cr4.PSE | Cr4.SMEP;
  private static final long CR4_FLUSHES_WHEN_CLEARED = Cr4.PGE | Cr4.PAE | Cr4.PSE | Cr4.PCIDE;
  private static final long CR4_LOADS_PDPTES = Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP;

  /**
   * VME, PVI, TSD, DE, MCE, PCE, OSFXSR, OSXMMEXCPT, UMIP, FSGSBASE, OSXSAVE: no part in paging.
   */
  private static final long CR4_OTHERS = 0x50f4fL;

  /** VMXE and SMXE. */
  private static final long CR4_INTEL = Cr4.VMXE | 1L << 14;

  /** SVME and FFXSR. */
  private static final long EFER_AMD = Efer.SVME | 1L << 14;

  private static final Map<Feature, Long> CR4_BITS =
      Map.of(
          Feature.PSE, Cr4.PSE,
          Feature.PAE, Cr4.PAE,
          Feature.PGE, Cr4.PGE,
          Feature.LA57, Cr4.LA57,
          Feature.PCID, Cr4.PCIDE,
          Feature.SMEP, Cr4.SMEP,
          Feature.SMAP, Cr4.SMAP,
          Feature.PKU, Cr4.PKE,
          Feature.PKS, Cr4.PKS);

  private static final Map<Kind, RegisterRule[]> RULES = rulesByKind();

  private final long cr4Defined;
  private final long eferDefined;
  private final long beyondPhysical;
  private final long pdpteReserved;
  private final long cr0LoadsPdptes;
  private final boolean hasPkrs;

  /** The registers of a CPU. */
  public ControlRegisters(CpuProfile profile) {
    boolean intel = profile.vendor() == Vendor.INTEL;
    long cr4 = CR4_OTHERS | (intel ? CR4_INTEL : 0);
    for (Map.Entry<Feature, Long> bit : CR4_BITS.entrySet()) {
      cr4 |= profile.has(bit.getKey()) ? bit.getValue() : 0;
    }
    cr4Defined = cr4;
    boolean longMode = profile.has(Feature.LONG_MODE);
    eferDefined =
        (longMode ? Efer.LME : 0)
            | (longMode || !intel ? Efer.SCE : 0)
            | (profile.has(Feature.NX) ? Efer.NXE : 0)
            | (intel ? 0 : EFER_AMD);
    beyondPhysical = -1L << profile.physicalBits();
    pdpteReserved =
        new PagingRules(PagingFormat.PAE, profile, Cr0.PG, Cr4.PAE, 0)
            .reserved(PagingFormat.PAE.levels(), false);
    cr0LoadsPdptes = intel ? Cr0.PG | Cr0.CD | Cr0.NW : Cr0.PG;
    hasPkrs = profile.has(Feature.PKS);
  }

  private static Map<Kind, RegisterRule[]> rulesByKind() {
    Map<Kind, List<RegisterRule>> rules = new EnumMap<>(Kind.class);
    for (RegisterRule rule : RegisterRule.values()) {
      rules.computeIfAbsent(rule.kind(), kind -> new ArrayList<>()).add(rule);
    }
    rules.put(Kind.WRPKRU, List.of());
    Map<Kind, RegisterRule[]> arrays = new EnumMap<>(Kind.class);
    rules.forEach((kind, list) -> arrays.put(kind, list.toArray(new RegisterRule[0])));
    return arrays;
  }

  @Override
  public int write(Registers registers, Kind kind, long operand, PdpteSource pdptes) {
    if (refusal(registers, kind, operand) != null) {
      return GENERAL_PROTECTION;
    }
    long value = asWideAsTheMode(registers, kind, operand);
    return switch (kind) {
      case MOV_CR0 -> writeCr0(registers, value, pdptes);
      case MOV_CR3 -> writeCr3(registers, value, pdptes);
      case MOV_CR4 -> writeCr4(registers, value, pdptes);
      case WRMSR_EFER -> writeEfer(registers, value);
      case WRPKRU -> writePkru(registers, (int) value);
      default -> writePkrs(registers, (int) value);
    };
  }

  /** The rule that refuses a write, null if none does; the PDPTEs that it loads may still. */
  @Nullable RegisterRule refusal(Registers registers, Kind kind, long operand) {
    RegisterRule[] rules = RULES.get(kind);
    if (rules == null) {
      throw new IllegalArgumentException(kind + " is no write by the rules");
    }
    long value = asWideAsTheMode(registers, kind, operand);
    for (RegisterRule rule : rules) {
      if (rule.refuses(this, registers, value)) {
        return rule;
      }
    }
    return null;
  }

  private static long asWideAsTheMode(Registers registers, Kind kind, long operand) {
    boolean mov = kind == Kind.MOV_CR0 || kind == Kind.MOV_CR3 || kind == Kind.MOV_CR4;
    return mov && (registers.efer & Efer.LMA) == 0 ? operand & 0xffffffffL : operand;
  }

  private int writeCr0(Registers registers, long value, PdpteSource pdptes) {
    long next = value & CR0_DEFINED | Cr0.ET;
    long changed = next ^ registers.cr0;
    long efer = withLongMode(registers.efer, next);
    boolean loads = (changed & cr0LoadsPdptes) != 0 && usesPae(next, registers.cr4, efer);
    if (loads && !loadPdptes(registers, registers.cr3, pdptes)) {
      return GENERAL_PROTECTION;
    }
    registers.cr0 = next;
    registers.efer = efer;
    return ((changed & Cr0.PG) != 0 ? FLUSH_ALL : 0)
        | (loads || (changed & CR0_RULES) != 0 ? RULES_CHANGED : 0);
  }

  private static long withLongMode(long efer, long cr0) {
    boolean active = (cr0 & Cr0.PG) != 0 && (efer & Efer.LME) != 0;
    return active ? efer | Efer.LMA : efer & ~Efer.LMA;
  }

  private int writeCr3(Registers registers, long value, PdpteSource pdptes) {
    boolean loads = usesPae(registers.cr0, registers.cr4, registers.efer);
    if (loads && !loadPdptes(registers, value, pdptes)) {
      return GENERAL_PROTECTION;
    }
    registers.cr3 = value & ~Cr3.NO_FLUSH;
    if ((registers.cr4 & Cr4.PCIDE) == 0) {
      return FLUSH_NON_GLOBAL;
    }
    return (value & Cr3.NO_FLUSH) != 0 ? 0 : FLUSH_PCID;
  }

  private int writeCr4(Registers registers, long value, PdpteSource pdptes) {
    long changed = value ^ registers.cr4;
    boolean loads =
        (changed & CR4_LOADS_PDPTES) != 0 && usesPae(registers.cr0, value, registers.efer);
    if (loads && !loadPdptes(registers, registers.cr3, pdptes)) {
      return GENERAL_PROTECTION;
    }
    registers.cr4 = value;
    long flushing = value & CR4_FLUSHES_WHEN_SET | ~value & CR4_FLUSHES_WHEN_CLEARED;
    return ((changed & flushing) != 0 ? FLUSH_ALL : 0)
        | ((changed & Cr4.PAGING) != 0 ? RULES_CHANGED : 0);
  }

  private static int writeEfer(Registers registers, long value) {
    long changed = value ^ registers.efer;
    registers.efer = value & ~Efer.LMA | registers.efer & Efer.LMA;
    return (changed & Efer.NXE) != 0 ? FLUSH_ALL | RULES_CHANGED : 0;
  }

  private static int writePkru(Registers registers, int value) {
    if ((registers.cr4 & Cr4.PKE) == 0) {
      return UNDEFINED;
    }
    int changed = registers.pkru ^ value;
    registers.pkru = value;
    return changed != 0 ? RULES_CHANGED : 0;
  }

  private static int writePkrs(Registers registers, int value) {
    int changed = registers.pkrs ^ value;
    registers.pkrs = value;
    return changed != 0 ? RULES_CHANGED : 0;
  }

  private static boolean usesPae(long cr0, long cr4, long efer) {
    return (cr0 & Cr0.PG) != 0 && (cr4 & Cr4.PAE) != 0 && (efer & Efer.LMA) == 0;
  }

  /** Reads all four before it keeps one, each once: another CPU may be writing them. */
  private boolean loadPdptes(Registers registers, long cr3, PdpteSource source) {
    long table = cr3 & Cr3.ROOT_PAE;
    long first = source.load(table);
    long second = source.load(table + 8);
    long third = source.load(table + 16);
    long fourth = source.load(table + 24);
    if (isRefused(first) || isRefused(second) || isRefused(third) || isRefused(fourth)) {
      return false;
    }
    long[] latched = registers.pdptes;
    latched[0] = first;
    latched[1] = second;
    latched[2] = third;
    latched[3] = fourth;
    return true;
  }

  /** Reserved bits count in present entries only (SDM vol. 3, 4.4.1). */
  private boolean isRefused(long pdpte) {
    return (pdpte & 1) != 0 && (pdpte & pdpteReserved) != 0;
  }

  long cr4Defined() {
    return cr4Defined;
  }

  long eferDefined() {
    return eferDefined;
  }

  /** Bits 63:MAXPHYADDR. */
  long beyondPhysical() {
    return beyondPhysical;
  }

  boolean hasPkrs() {
    return hasPkrs;
  }
}
