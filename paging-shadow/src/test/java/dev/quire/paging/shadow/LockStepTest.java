// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.TlbGeometry;
import dev.quire.paging.shadow.ShadowOptions.Sync;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Random programs that write their own tables, beside the bare machine. */
class LockStepTest {
  private static final int STEPS = 150;

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void aGuestNoticesNothingAndMemoryIsTheSame(long seed) {
    LockStep world = new LockStep(seed, 1, 64, null);
    run(world);
    assertThat(world.shadowed.emulated).isPositive();
  }

  @ParameterizedTest
  @ValueSource(longs = {11, 12, 13})
  void vcpusInDifferentModesShareTables(long seed) {
    run(new LockStep(seed, 3, 64, null));
  }

  @ParameterizedTest
  @ValueSource(longs = {21, 22, 23})
  void theSmallestPoolWillDo(long seed) {
    run(
        new LockStep(
            seed, 2, OwnTables.minimum(2, new ShadowOptions(Sync.NEVER, false, true)), null));
  }

  @Test
  void theGuestWritesTablesItselfAndInvalidates() {
    long unsyncs = 0;
    for (long seed = 41; seed < 47; seed++) {
      LockStep world = new LockStep(seed, 1, 64, null, ShadowOptions.DEFAULT);
      run(world);
      unsyncs += world.unsyncs;
    }
    assertThat(unsyncs).isPositive();
  }

  @ParameterizedTest
  @ValueSource(longs = {51, 52, 53})
  void vcpusWriteTheSameTablesAndInvalidate(long seed) {
    int pool = OwnTables.minimum(2, ShadowOptions.DEFAULT);
    TlbGeometry tlb = LockStep.MACHINES.presets().get("tiny").geometry();
    run(new LockStep(seed, 2, pool, tlb, ShadowOptions.DEFAULT));
  }

  @ParameterizedTest
  @ValueSource(longs = {31, 32, 33})
  void translationsAreCachedUntilTheGuestInvalidatesThem(long seed) {
    run(new LockStep(seed, 2, 64, LockStep.MACHINES.presets().get("tiny").geometry()));
  }

  @ParameterizedTest
  @ValueSource(longs = {61, 62, 63, 64})
  void mappingsAreFoundByReverseMaps(long seed) {
    LockStep world =
        new LockStep(
            seed,
            2,
            64,
            null,
            new ShadowOptions(seed % 2 == 0 ? Sync.LAST_LEVEL : Sync.NEVER, true, true));
    run(world);
    assertThat(world.shadowed.shadow.statistics())
        .containsEntry("writable-found-by-search", 0L)
        .containsEntry("mapping-searches", 0L);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void tablesOfAnyLevelAreWrittenByTheGuestItself(boolean byAddress) {
    long unsyncs = 0;
    for (long seed = 71; seed < 76; seed++) {
      int vcpus = 1 + (int) seed % 3;
      LockStep world = new LockStep(seed, vcpus, 64, null, ShadowOptions.CLASSIC);
      world.byAddress = byAddress;
      run(world);
      unsyncs += world.unsyncs;
    }
    assertThat(unsyncs).isPositive();
  }

  @ParameterizedTest
  @ValueSource(longs = {180, 204})
  void aWriteOverTwoTablesGetsThroughWithTheSmallestPool(long seed) {
    ShadowOptions options = new ShadowOptions(Sync.EVERY_LEVEL, seed == 180, true);
    int pool = OwnTables.minimum(1, options);
    TlbGeometry tlb = LockStep.MACHINES.presets().get("tiny").geometry();
    run(new LockStep(seed, 1, pool, seed == 204 ? tlb : null, options));
  }

  private static void run(LockStep world) {
    for (int i = 0; i < STEPS; i++) {
      world.step();
    }
  }
}
