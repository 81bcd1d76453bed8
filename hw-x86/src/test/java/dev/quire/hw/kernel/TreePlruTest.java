// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TreePlruTest {
  private static long use(long tree, int way, int ways) {
    return tree & ~TreePlru.nodes(way, ways) | TreePlru.pointingAway(way, ways);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 4, 8, 16, 32, 64})
  void aWayThatWasJustUsedIsNotTheVictim(int ways) {
    SplittableRandom random = new SplittableRandom(ways);
    for (int i = 0; i < 500; i++) {
      int way = random.nextInt(ways);
      long tree = use(random.nextLong(), way, ways);
      assertThat(TreePlru.victim(tree, ways)).isBetween(0, ways - 1).isNotEqualTo(way);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4, 8, 16, 32, 64})
  void victimsThatAreUsedGoThroughAllWays(int ways) {
    long tree = 0;
    Set<Integer> victims = new HashSet<>();
    for (int i = 0; i < ways; i++) {
      int victim = TreePlru.victim(tree, ways);
      victims.add(victim);
      tree = use(tree, victim, ways);
    }
    assertThat(victims).hasSize(ways);
  }

  @ParameterizedTest
  @ValueSource(ints = {4, 16})
  void theVictimIsInTheHalfThatWasUsedLongerAgo(int ways) {
    long tree = use(use(0, 0, ways), ways - 1, ways);
    assertThat(TreePlru.victim(tree, ways)).isLessThan(ways / 2);
    assertThat(TreePlru.victim(use(tree, 1, ways), ways)).isGreaterThanOrEqualTo(ways / 2);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 77, -5})
  void randomWordsGoOnWithoutRepeating(long seed) {
    Set<Long> seen = new HashSet<>();
    long word = seed;
    int[] ways = new int[12];
    for (int i = 0; i < 12_000; i++) {
      word = TreePlru.nextRandom(word);
      assertThat(seen.add(word)).isTrue();
      ways[(int) ((word >>> 33) % 12)]++;
    }
    for (int count : ways) {
      assertThat(count).isBetween(800, 1200);
    }
  }
}
