// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every state that any sequence of writes can reach from reset is one that the manuals allow. */
class ReachableStatesTest {
  private static final long[] CR0_BITS = {Cr0.PE, Cr0.WP, Cr0.NW, Cr0.CD, Cr0.PG};
  private static final long[] CR3_VALUES = {0, 0x1000, 0x1001, 1L << 40, Long.MIN_VALUE};
  private static final long[] CR4_BITS = {Cr4.PAE, Cr4.LA57, Cr4.PCIDE, Cr4.SMEP};
  private static final long[] EFER_BITS = {Efer.LME, Efer.LMA, Efer.NXE};

  @ParameterizedTest
  @EnumSource(Vendor.class)
  void everyReachableStateIsConsistentAndEveryConsistentModeIsReachable(Vendor vendor) {
    ControlRegisterUnit unit = new ControlRegisters(CpuProfile.full(vendor, 40));
    Set<List<Long>> seen = new HashSet<>();
    Set<Long> modes = new HashSet<>();
    Deque<Registers> next = new ArrayDeque<>(List.of(new Registers()));
    while (!next.isEmpty()) {
      Registers state = next.poll();
      if (!seen.add(key(state))) {
        continue;
      }
      check(state);
      modes.add(state.cr0 & Cr0.PG | state.cr4 & (Cr4.PAE | Cr4.LA57) | state.efer & Efer.LMA);
      expand(unit, state, next);
    }
    assertThat(modes).hasSize(4 + 4 + 2); // paging off, legacy, long; each times PAE and LA57
  }

  private static void expand(ControlRegisterUnit unit, Registers state, Deque<Registers> next) {
    tryAll(unit, state, Kind.MOV_CR0, combinations(CR0_BITS), next);
    tryAll(unit, state, Kind.MOV_CR3, CR3_VALUES, next);
    tryAll(unit, state, Kind.MOV_CR4, combinations(CR4_BITS), next);
    tryAll(unit, state, Kind.WRMSR_EFER, combinations(EFER_BITS), next);
  }

  private static void tryAll(
      ControlRegisterUnit unit, Registers state, Kind kind, long[] values, Deque<Registers> next) {
    for (long value : values) {
      Registers after = new Registers();
      after.set(state);
      int flags = unit.write(after, kind, value, address -> 0);
      if ((flags & ControlRegisterUnit.GENERAL_PROTECTION) == 0) {
        next.add(after);
      } else {
        assertThat(key(after)).isEqualTo(key(state));
      }
    }
  }

  private static List<Long> key(Registers state) {
    return List.of(state.cr0, state.cr3, state.cr4, state.efer);
  }

  private static long[] combinations(long[] bits) {
    long[] values = new long[1 << bits.length];
    for (int i = 0; i < values.length; i++) {
      int chosen = i;
      values[i] =
          Arrays.stream(bits).filter(b -> (chosen >>> Arrays.binarySearch(bits, b) & 1) != 0).sum();
    }
    return values;
  }

  private static void check(Registers state) {
    boolean paging = (state.cr0 & Cr0.PG) != 0;
    boolean active = (state.efer & Efer.LMA) != 0;
    assertThat(active).isEqualTo(paging && (state.efer & Efer.LME) != 0);
    assertThat(paging && (state.cr0 & Cr0.PE) == 0).isFalse();
    assertThat((state.cr0 & (Cr0.NW | Cr0.CD))).isNotEqualTo(Cr0.NW);
    assertThat(active && (state.cr4 & Cr4.PAE) == 0).isFalse();
    assertThat((state.cr4 & Cr4.PCIDE) != 0 && !active).isFalse();
    assertThat(state.cr3 >>> 40).isZero();
    assertThat(state.cr0 & Cr0.ET).isNotZero();
  }
}
