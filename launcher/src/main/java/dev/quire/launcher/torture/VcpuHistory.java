// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which tables a vCPU had since when, and which invalidations it made: what decides which
 * translations it may still hold (SDM vol. 3, 4.10.4).
 */
final class VcpuHistory {
  /**
   * What the registers select.
   *
   * @param since when
   * @param rules null with paging off
   * @param pcid process-context identifier, 0 without
   * @param root address of the root table
   * @param pdptes the registers of PAE paging; null where walks read memory
   */
  @SuppressWarnings("ArrayRecordComponent") // shared on purpose; never compared
  record Tables(
      long since, @Nullable PagingRules rules, int pcid, long root, long @Nullable [] pdptes) {
    /** Whether a walk would find the same. */
    private boolean isAs(Tables other) {
      return rules == other.rules
          && pcid == other.pcid
          && root == other.root
          && Arrays.equals(pdptes, other.pdptes);
    }

    /** The rules of tables that there are. */
    PagingRules paging() {
      PagingRules those = rules;
      if (those == null) {
        throw new IllegalStateException("there are no tables");
      }
      return those;
    }
  }

  /** What an invalidation reaches. */
  enum Scope {
    /** Everything. */
    ALL,
    /** What is not global, of every PCID. */
    NON_GLOBAL,
    /** What is not global, of one PCID. */
    PCID,
    /** Everything of one PCID, except what is global of another. */
    PCID_AND_GLOBAL,
    /** One page of one PCID, and global ones; structure entries of the PCID for all addresses. */
    PAGE_AND_GLOBAL,
    /** The same without global ones. */
    PAGE
  }

  /**
   * An invalidation.
   *
   * @param level of the entry that mapped the address then, 1 if none did
   */
  record Invalidation(long time, Scope scope, int pcid, long linear, int level) {
    private boolean isOf(int ofPcid, boolean global, long address, int ofLevel, int shift) {
      return switch (scope) {
        case ALL -> true;
        case NON_GLOBAL -> !global;
        case PCID, PCID_AND_GLOBAL -> !global && pcid == ofPcid;
        case PAGE_AND_GLOBAL -> (global || pcid == ofPcid) && covers(address, ofLevel, shift);
        case PAGE -> !global && pcid == ofPcid && covers(address, ofLevel, shift);
      };
    }

    /** What large page's pieces a processor holds, it forgets together. */
    private boolean covers(long address, int ofLevel, int shift) {
      return linear >>> 12 == address >>> 12
          || level > 1 && level == ofLevel && linear >>> shift == address >>> shift;
    }

    /** Whether structure entries of a PCID go. */
    boolean isOfStructures(int ofPcid) {
      return scope == Scope.ALL || scope == Scope.NON_GLOBAL || pcid == ofPcid;
    }
  }

  /** Rules by registers: they are dear to make. */
  static final class RulesCache {
    private final CpuProfile profile;
    private final Map<List<Long>, PagingRules> rules = new HashMap<>();

    RulesCache(CpuProfile profile) {
      this.profile = profile;
    }

    @Nullable PagingRules of(Registers registers) {
      if ((registers.cr0 & Cr0.PG) == 0) {
        return null;
      }
      return rules.computeIfAbsent(
          List.of(registers.cr0 & Cr0.WP, registers.cr4, registers.efer),
          key -> PagingRules.of(profile, registers.cr0, registers.cr4, registers.efer));
    }
  }

  private final RulesCache cache;
  private final List<Tables> tables = new ArrayList<>();
  private final List<Invalidation> invalidations = new ArrayList<>();
  private final Map<Integer, Long> forgotten = new HashMap<>();
  private long allForgotten;
  private long changed;
  private boolean mayHoldGlobals;

  VcpuHistory(RulesCache cache) {
    this.cache = cache;
    tables.add(new Tables(0, null, 0, 0, null));
  }

  /** What the registers select now. */
  Tables now() {
    return tables.get(tables.size() - 1);
  }

  List<Tables> tables() {
    return tables;
  }

  List<Invalidation> invalidations() {
    return invalidations;
  }

  /**
   * Takes over registers that may have changed.
   *
   * @param latched whether PDPTEs are in registers
   */
  void registers(Registers registers, boolean latched, long time) {
    PagingRules rules = cache.of(registers);
    int pcid = (registers.cr4 & Cr4.PCIDE) != 0 ? (int) (registers.cr3 & Cr3.PCID) : 0;
    long root = 0;
    long[] pdptes = null;
    if (rules != null) {
      PagingFormat format = rules.format();
      boolean pae = format.rootInRegisters();
      root =
          registers.cr3 & (pae ? Cr3.ROOT_PAE : format.isLongMode() ? Cr3.ROOT : Cr3.ROOT_2_LEVEL);
      pdptes = pae && latched ? registers.pdptes.clone() : null;
    }
    Tables next = new Tables(time, rules, pcid, root, pdptes);
    if (!next.isAs(now())) {
      changed = time;
      tables.add(next);
    }
    mayHoldGlobals |= rules != null && (registers.cr4 & Cr4.PGE) != 0;
  }

  /** An invalidation is made. */
  void invalidate(Scope scope, int pcid, long linear, int level, long time) {
    invalidations.add(new Invalidation(time, scope, pcid, linear, level));
    switch (scope) {
      case ALL -> {
        allForgotten = time;
        mayHoldGlobals = false;
      }
      case NON_GLOBAL -> {
        if (!mayHoldGlobals) {
          allForgotten = time;
        }
      }
      case PCID, PCID_AND_GLOBAL -> {
        if (!mayHoldGlobals) {
          forgotten.put(pcid, time);
        }
      }
      default -> {
        // of one page: how old its translations may be is asked seldom
      }
    }
  }

  /** When other tables were last selected, or the same under other rules. */
  long changed() {
    return changed;
  }

  /** Before this, the vCPU had nothing that it may still use with its PCID. */
  long forgotten() {
    return Math.max(allForgotten, forgotten.getOrDefault(now().pcid(), 0L));
  }

  /** Before this, a page had no translation that may still be used. */
  long forgotten(int pcid, boolean global, long linear, int level, int shift) {
    for (int i = invalidations.size() - 1; i >= 0; i--) {
      Invalidation each = invalidations.get(i);
      if (each.isOf(pcid, global, linear, level, shift)) {
        return each.time();
      }
    }
    return 0;
  }
}
