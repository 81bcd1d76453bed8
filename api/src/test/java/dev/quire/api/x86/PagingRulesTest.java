// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** SDM vol. 3, tables 4-4 to 4-20, and what of control registers is a matter of rights. */
class PagingRulesTest {
  private static final CpuProfile INTEL = CpuProfile.full(Vendor.INTEL, 40);
  private static final long BEYOND = 0x000f_ff00_0000_0000L;
  private static final long NX = Long.MIN_VALUE;

  private static PagingRules rules(PagingFormat format, CpuProfile cpu, long cr4, long efer) {
    return new PagingRules(format, cpu, Cr0.PG, cr4, efer);
  }

  private static PagingRules longMode(long cr4, long efer) {
    return rules(PagingFormat.FIVE_LEVEL, INTEL, cr4, efer);
  }

  private static CpuProfile without(Feature... absent) {
    Set<Feature> features = EnumSet.allOf(Feature.class);
    features.removeAll(Arrays.asList(absent));
    return new CpuProfile(Vendor.INTEL, 40, features);
  }

  // ---- which format ----

  @Test
  void registersSelectTheFormat() {
    assertThat(PagingRules.format(0, 0)).isEqualTo(PagingFormat.TWO_LEVEL);
    assertThat(PagingRules.format(Cr4.LA57, 0)).isEqualTo(PagingFormat.TWO_LEVEL);
    assertThat(PagingRules.format(Cr4.PAE, Efer.LME)).isEqualTo(PagingFormat.PAE);
    assertThat(PagingRules.format(Cr4.PAE, Efer.LMA)).isEqualTo(PagingFormat.FOUR_LEVEL);
    assertThat(PagingRules.format(Cr4.PAE | Cr4.LA57, Efer.LMA)).isEqualTo(PagingFormat.FIVE_LEVEL);
  }

  @Test
  void withoutPagingThereAreNoRules() {
    assertThat(PagingRules.of(INTEL, Cr0.PE, Cr4.PAE, Efer.LMA)).isNull();
    PagingRules rules = PagingRules.of(INTEL, Cr0.PG, Cr4.PAE, Efer.LMA);
    assertThat(rules).isNotNull();
    assertThat(rules.format()).isEqualTo(PagingFormat.FOUR_LEVEL);
  }

  // ---- reserved bits ----

  @Test
  void entriesOfFourBytesReserveBitsOfLargePagesOnly() {
    PagingRules rules = rules(PagingFormat.TWO_LEVEL, INTEL, Cr4.PSE, Efer.NXE);
    assertThat(rules.reserved(1, true)).isZero();
    assertThat(rules.reserved(2, false)).isZero();
    assertThat(rules.reserved(2, true)).isEqualTo(1 << 21);
    CpuProfile narrow = CpuProfile.full(Vendor.INTEL, 36);
    assertThat(rules(PagingFormat.TWO_LEVEL, narrow, Cr4.PSE, 0).reserved(2, true))
        .isEqualTo(0x3e0000);
    CpuProfile wide = CpuProfile.full(Vendor.INTEL, 52);
    assertThat(rules(PagingFormat.TWO_LEVEL, wide, Cr4.PSE, 0).reserved(2, true))
        .isEqualTo(1 << 21);
    assertThat(rules(PagingFormat.TWO_LEVEL, without(Feature.PSE36), Cr4.PSE, 0).reserved(2, true))
        .isEqualTo(0x3fe000);
  }

  @Test
  void paeReservesWhatLongModeIgnores() {
    PagingRules rules = rules(PagingFormat.PAE, INTEL, Cr4.PAE, Efer.NXE);
    long high = BEYOND | 0x7ff0_0000_0000_0000L;
    assertThat(rules.reserved(1, true)).isEqualTo(high);
    assertThat(rules.reserved(2, false)).isEqualTo(high);
    assertThat(rules.reserved(2, true)).isEqualTo(high | 0x1fe000);
    assertThat(rules.reserved(3, false)).isEqualTo(high | NX | 0x1e6);
  }

  @Test
  void longModeReservesAddressesAndPageSize() {
    PagingRules rules = longMode(Cr4.PAE, Efer.NXE);
    assertThat(rules.reserved(1, true)).isEqualTo(BEYOND);
    assertThat(rules.reserved(2, false)).isEqualTo(BEYOND);
    assertThat(rules.reserved(2, true)).isEqualTo(BEYOND | 0x1fe000);
    assertThat(rules.reserved(3, false)).isEqualTo(BEYOND);
    assertThat(rules.reserved(3, true)).isEqualTo(BEYOND | 0x3fffe000);
    assertThat(rules.reserved(4, false)).isEqualTo(BEYOND | PageEntry.PS);
    assertThat(rules.reserved(5, false)).isEqualTo(BEYOND | PageEntry.PS);
  }

  @Test
  void withoutNoExecuteItsBitIsReserved() {
    for (int level = 1; level <= 5; level++) {
      assertThat(longMode(0, 0).reserved(level, level == 1))
          .isEqualTo(longMode(0, Efer.NXE).reserved(level, level == 1) | NX);
    }
  }

  @Test
  void amdReservesBit8OfTheUpperLevels() {
    CpuProfile amd = CpuProfile.full(Vendor.AMD, 40);
    PagingRules rules = rules(PagingFormat.FIVE_LEVEL, amd, 0, Efer.NXE);
    assertThat(rules.reserved(5, false)).isEqualTo(BEYOND | PageEntry.PS | PageEntry.G);
    assertThat(rules.reserved(4, false)).isEqualTo(BEYOND | PageEntry.PS | PageEntry.G);
    assertThat(rules.reserved(3, false)).isEqualTo(BEYOND);
  }

  @Test
  void withoutPagesOf1GTheirBitIsReserved() {
    PagingRules rules = rules(PagingFormat.FOUR_LEVEL, without(Feature.PAGE_1G), 0, Efer.NXE);
    assertThat(rules.reserved(3, false)).isEqualTo(BEYOND | PageEntry.PS);
    assertThat(rules.mapsPage(PageEntry.PS, 3)).isFalse();
    assertThat(rules.mapsPage(PageEntry.PS, 2)).isTrue();
  }

  // ---- pages ----

  @Test
  void anEntryMapsAPageAtTheLastLevelOrWithItsSizeBit() {
    PagingRules rules = longMode(Cr4.PAE, 0);
    assertThat(rules.mapsPage(0, 1)).isTrue();
    assertThat(rules.mapsPage(~PageEntry.PS, 2)).isFalse();
    assertThat(rules.mapsPage(PageEntry.PS, 2)).isTrue();
    assertThat(rules.mapsPage(PageEntry.PS, 3)).isTrue();
    assertThat(rules.mapsPage(-1, 4)).isFalse();
    assertThat(rules.mapsPage(-1, 5)).isFalse();
    PagingRules legacy = rules(PagingFormat.TWO_LEVEL, INTEL, 0, 0);
    assertThat(legacy.mapsPage(-1, 2)).isFalse();
    assertThat(rules(PagingFormat.TWO_LEVEL, INTEL, Cr4.PSE, 0).mapsPage(-1, 2)).isTrue();
    PagingRules pae = rules(PagingFormat.PAE, INTEL, Cr4.PAE, 0);
    assertThat(pae.mapsPage(-1, 2)).isTrue();
    assertThat(pae.mapsPage(-1, 3)).isFalse();
  }

  @Test
  void aPageBeginsWhereItsEntrySays() {
    PagingRules rules = longMode(Cr4.PAE, 0);
    assertThat(rules.frame(-1, 1)).isEqualTo(0x000f_ffff_ffff_f000L);
    assertThat(rules.frame(-1, 2)).isEqualTo(0x000f_ffff_ffe0_0000L);
    assertThat(rules.frame(-1, 3)).isEqualTo(0x000f_ffff_c000_0000L);
    PagingRules legacy = rules(PagingFormat.TWO_LEVEL, INTEL, Cr4.PSE, 0);
    assertThat(legacy.frame(0xffffffffL, 1)).isEqualTo(0xfffff000L);
    assertThat(legacy.frame(0xffffffffL, 2)).isEqualTo(0xff_ffc0_0000L); // PSE-36
    PagingRules old = rules(PagingFormat.TWO_LEVEL, without(Feature.PSE36), Cr4.PSE, 0);
    assertThat(old.frame(0xffffffffL, 2)).isEqualTo(0xffc00000L);
    assertThat(rules.table(-1)).isEqualTo(0x000f_ffff_ffff_f000L);
    assertThat(legacy.table(0xffffffffL)).isEqualTo(0xfffff000L);
  }

  @Test
  void aLeafGivesItsAttributesToATranslation() {
    PagingRules rules = longMode(Cr4.PGE, 0);
    long entry = 0x40000000 | PageEntry.D | PageEntry.G | 9L << PageEntry.KEY_SHIFT;
    assertThat(rules.leaf(entry, 3))
        .isEqualTo(
            0x40000000
                | Translation.PRESENT
                | Translation.DIRTY
                | Translation.GLOBAL
                | 2 << Translation.SIZE_SHIFT
                | 9 << Translation.KEY_SHIFT);
    assertThat(rules.leaf(0x5000, 1)).isEqualTo(0x5000 | Translation.PRESENT);
    assertThat(longMode(0, 0).leaf(PageEntry.G, 1)).isEqualTo(Translation.PRESENT);
    assertThat(rules(PagingFormat.PAE, INTEL, 0, 0).leaf(9L << PageEntry.KEY_SHIFT, 1))
        .isEqualTo(Translation.PRESENT); // no keys outside long mode
  }

  // ---- rights ----

  @Test
  void controlBitsBecomeFlagsOfTheRightsRule() {
    assertThat(new PagingRules(PagingFormat.FOUR_LEVEL, INTEL, 0, 0, 0).rights()).isZero();
    assertThat(new PagingRules(PagingFormat.FOUR_LEVEL, INTEL, Cr0.WP, 0, 0).rights())
        .isEqualTo(Rights.WRITE_PROTECT);
    assertThat(longMode(Cr4.SMEP, 0).rights()).isEqualTo(Rights.SMEP | Rights.REPORT_FETCH);
    assertThat(longMode(Cr4.SMAP, 0).rights()).isEqualTo(Rights.SMAP);
    assertThat(longMode(Cr4.PKE, 0).rights()).isEqualTo(Rights.USER_KEYS);
    assertThat(longMode(Cr4.PKS, 0).rights()).isEqualTo(Rights.SUPERVISOR_KEYS);
    assertThat(longMode(0, Efer.NXE).rights()).isEqualTo(Rights.REPORT_FETCH);
  }

  @Test
  void outsideLongModeThereAreNoKeysAndWithFourBytesNoNoExecute() {
    long keys = Cr4.PKE | Cr4.PKS;
    assertThat(rules(PagingFormat.PAE, INTEL, keys, Efer.NXE).rights())
        .isEqualTo(Rights.REPORT_FETCH);
    assertThat(rules(PagingFormat.TWO_LEVEL, INTEL, keys, Efer.NXE).rights()).isZero();
  }

  @Test
  void whatSufficesIsWhatTheRightsRulePermitsWithDForAWrite() {
    for (int state = 0; state < 64; state++) {
      long cr0 = Cr0.PG | ((state & 1) != 0 ? Cr0.WP : 0);
      long cr4 =
          ((state & 2) != 0 ? Cr4.SMEP : 0)
              | ((state & 4) != 0 ? Cr4.SMAP : 0)
              | ((state & 8) != 0 ? Cr4.PKE : 0)
              | ((state & 16) != 0 ? Cr4.PKS : 0);
      long efer = Efer.LMA | ((state & 32) != 0 ? Efer.NXE : 0);
      PagingRules rules = new PagingRules(PagingFormat.FOUR_LEVEL, INTEL, cr0, cr4, efer);
      for (int page = 0; page < 32; page++) {
        for (long access = 0; access < 16; access++) {
          for (int key = 0; key < 4; key++) {
            check(rules, Translation.PRESENT | page, access << 60 | 0x1234567, key);
          }
        }
      }
    }
  }

  private static void check(PagingRules rules, long page, long access, int key) {
    boolean dirty = (page & Translation.DIRTY) != 0 || (access & Access.WRITE) == 0;
    boolean expected = dirty && Rights.permit(page, access, rules.rights(), key, key);
    assertThat(rules.suffices(page, access, key, key)).isEqualTo(expected);
  }

  // ---- plain entries ----

  @Test
  void aPlainEntryIsPresentAccessedWellFormedAndNoLargePage() {
    SplittableRandom random = new SplittableRandom(3);
    for (PagingFormat format : PagingFormat.ALL) {
      for (long cr4 : new long[] {Cr4.PAE, Cr4.PAE | Cr4.PSE}) {
        PagingRules rules = rules(format, INTEL, cr4, 0);
        int highest = format.rootInRegisters() ? 2 : format.levels();
        for (int level = 1; level <= highest; level++) {
          for (int i = 0; i < 2000; i++) {
            long entry = 1L << random.nextInt(64) | 1L << i % 64 | i & 33;
            entry &= format.entryBytes() == 4 ? 0xffffffffL : -1;
            boolean leaf = level == 1;
            boolean expected =
                (entry & PageEntry.P) != 0
                    && (entry & PageEntry.A) != 0
                    && rules.mapsPage(entry, level) == leaf
                    && (entry & rules.reserved(level, leaf)) == 0;
            assertThat(rules.isPlain(entry, level)).isEqualTo(expected);
          }
        }
      }
    }
  }
}
