// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr4;
import dev.quire.hw.reference.Shape;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every combination of P, R/W, U/S, XD, A, D, PS and reserved bits at two levels, of access and of
 * CPU state does what the manuals say, with caches and without; and a second access after the
 * first, by way of what is cached then, too.
 */
@Tag("exhaustive")
class AccessMatrixTest {
  /**
   * Two levels of a format on a CPU.
   *
   * @param upper the higher of the two levels
   */
  record Levels(Shape shape, int upper, CpuProfile profile) {
    @Override
    public String toString() {
      return shape.levels() + "-level, entries of levels " + upper + " and " + (upper - 1);
    }
  }

  private static final Tlb SMALL = new Tlb(new Array(1, 2), 1);
  private static final Array STRUCTURE = new Array(1, 2);
  private static final TlbGeometry CACHES =
      new TlbGeometry(
          List.of(SMALL),
          List.of(SMALL),
          List.of(new Tlb(new Array(2, 2), 7)),
          List.of(STRUCTURE, STRUCTURE, STRUCTURE, STRUCTURE),
          Replacement.LRU);

  private static final List<TlbGeometry> MACHINES = new ArrayList<>();

  static {
    MACHINES.add(null);
    MACHINES.add(CACHES);
  }

  static List<Levels> levels() {
    CpuProfile intel = CpuProfile.full(Vendor.INTEL, 40);
    CpuProfile amd = CpuProfile.full(Vendor.AMD, 40);
    Set<Feature> few = CpuProfile.allOf(Vendor.INTEL);
    few.removeAll(EnumSet.of(Feature.PAGE_1G, Feature.PSE36));
    CpuProfile old = new CpuProfile(Vendor.INTEL, 40, few);
    return List.of(
        new Levels(Shape.TWO_LEVEL, 2, intel),
        new Levels(Shape.TWO_LEVEL, 2, old),
        new Levels(Shape.TWO_LEVEL, 2, CpuProfile.full(Vendor.INTEL, 36)),
        new Levels(Shape.PAE, 2, intel),
        new Levels(Shape.FOUR_LEVEL, 2, intel),
        new Levels(Shape.FOUR_LEVEL, 3, intel),
        new Levels(Shape.FOUR_LEVEL, 3, old),
        new Levels(Shape.FOUR_LEVEL, 4, intel),
        new Levels(Shape.FOUR_LEVEL, 4, amd),
        new Levels(Shape.FIVE_LEVEL, 5, intel),
        new Levels(Shape.FIVE_LEVEL, 5, amd));
  }

  /** A sample of the entries, another one in each state. */
  @ParameterizedTest
  @MethodSource("levels")
  void someEntriesWithEveryAccessAndState(Levels levels) {
    assertThat(withStates(levels, 13)).isGreaterThan(4_000);
  }

  @Tag("long")
  @ParameterizedTest
  @MethodSource("levels")
  void everyEntryAccessAndState(Levels levels) {
    assertThat(withStates(levels, 1)).isGreaterThan(50_000);
  }

  private static int withStates(Levels levels, int step) {
    int cases = 0;
    for (TlbGeometry geometry : MACHINES) {
      AccessMatrix matrix =
          new AccessMatrix(levels.profile(), levels.shape(), levels.upper(), geometry);
      for (int state = 0; state < 32; state++) {
        boolean pse = (state & 16) != 0;
        if (pse || levels.shape().levels() == 2) {
          long cr4 =
              (pse ? Cr4.PSE : 0)
                  | ((state & 4) != 0 ? Cr4.SMEP : 0)
                  | ((state & 8) != 0 ? Cr4.SMAP : 0);
          matrix.state((state & 1) != 0, (state & 2) != 0, cr4, 0, 0);
          cases += run(matrix, some(matrix.pairs(levels.upper()), state % step, step));
        }
      }
    }
    return cases;
  }

  private static List<MatrixEntries.Pair> some(
      List<MatrixEntries.Pair> pairs, int first, int step) {
    List<MatrixEntries.Pair> some = new ArrayList<>();
    for (int i = first; i < pairs.size(); i += step) {
      some.add(pairs.get(i));
    }
    return some;
  }

  /** Each access first, and another one after it. */
  private static int run(AccessMatrix matrix, List<MatrixEntries.Pair> pairs) {
    int cases = 0;
    List<Long> accesses = AccessMatrix.ACCESSES;
    for (MatrixEntries.Pair pair : pairs) {
      for (int i = 0; i < accesses.size(); i++) {
        matrix.prepare(pair);
        matrix.check(accesses.get(i));
        matrix.check(accesses.get((i + 1 + cases) % accesses.size()));
        cases++;
      }
    }
    return cases;
  }

  static List<Levels> longModeLevels() {
    return levels().stream().filter(each -> each.shape().isLong()).toList();
  }

  /** A sample of the entries, a different one for each format. */
  @ParameterizedTest
  @MethodSource("longModeLevels")
  void someEntriesWithEveryStateOfKeys(Levels levels) {
    withKeys(levels, 401);
  }

  @Tag("long")
  @ParameterizedTest
  @MethodSource("longModeLevels")
  void everyEntryWithEveryStateOfKeys(Levels levels) {
    withKeys(levels, 1);
  }

  private static void withKeys(Levels levels, int step) {
    for (TlbGeometry geometry : MACHINES) {
      AccessMatrix matrix =
          new AccessMatrix(levels.profile(), levels.shape(), levels.upper(), geometry);
      List<MatrixEntries.Pair> pairs = matrix.pairs(levels.upper());
      List<MatrixEntries.Pair> some = some(pairs, Math.min(levels.upper(), step - 1), step);
      for (int state = 0; state < 64; state++) {
        for (int key = 0; key < 16; key++) {
          long cr4 =
              ((state & 4) != 0 ? Cr4.SMEP : 0)
                  | ((state & 8) != 0 ? Cr4.SMAP : 0)
                  | ((state & 16) != 0 ? Cr4.PKE : 0)
                  | ((state & 32) != 0 ? Cr4.PKS : 0);
          matrix.state((state & 1) != 0, (state & 2) != 0, cr4, key & 3, key >> 2);
          run(matrix, some);
        }
      }
    }
  }
}
