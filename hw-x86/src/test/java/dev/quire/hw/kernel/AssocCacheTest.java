// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** One cache by itself, beside a list in order of use. */
class AssocCacheTest {
  private static Cache cache(int sets, int ways, Replacement replacement, long seed) {
    CacheParts parts = new CacheParts(new Array(sets, ways), replacement, seed);
    return Specializer.specialise(Cache.class, AssocCache.class, parts);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16})
  void trueLruForEveryNumberOfWays(int ways) {
    Cache cache = cache(1, ways, Replacement.LRU, 1);
    Deque<Long> byUse = new ArrayDeque<>();
    SplittableRandom random = new SplittableRandom(ways);
    for (int i = 0; i < 4000; i++) {
      long key = 1 + random.nextInt(2 * ways) * 0x10001L; // partial keys that differ, and some not
      int slot = cache.find(key);
      assertThat(slot >= 0).as("step %d", i).isEqualTo(byUse.contains(key));
      if (slot >= 0 && random.nextInt(6) == 0) {
        cache.remove(slot);
        byUse.remove(key);
        assertThat(cache.peek(key)).isEqualTo(Cache.NONE);
        continue;
      }
      if (slot >= 0) {
        assertThat(cache.value(slot)).isEqualTo(~key);
        byUse.remove(key);
      } else {
        cache.put(key, ~key);
        if (byUse.size() == ways) {
          byUse.removeLast();
        }
      }
      byUse.addFirst(key);
    }
    assertThat(keys(cache)).containsExactlyInAnyOrderElementsOf(byUse);
  }

  private static List<Long> keys(Cache cache) {
    List<Long> keys = new ArrayList<>();
    for (int slot = 0; slot < cache.slots(); slot += 2) {
      if (cache.key(slot) != 0) {
        keys.add(cache.key(slot));
      }
    }
    return keys;
  }

  @ParameterizedTest
  @EnumSource(Replacement.class)
  void keysThatShareTheirLowerHalvesAreToldApart(Replacement replacement) {
    Cache cache = cache(2, 4, replacement, 1);
    long[] keys = {2, 2 | 1L << 40, 2 | 1L << 20, 3 | 1L << 17, 3, 3 | 1L << 33};
    for (long key : keys) {
      cache.put(key, key + 1);
    }
    for (long key : keys) {
      assertThat(cache.value(cache.find(key))).isEqualTo(key + 1);
    }
    assertThat(cache.find(2 | 1L << 21)).isEqualTo(Cache.NONE);
    assertThat(cache.peek(2 | 1L << 50)).isEqualTo(Cache.NONE);
  }

  @ParameterizedTest
  @EnumSource(Replacement.class)
  void freeWaysAreTakenFirst(Replacement replacement) {
    Cache cache = cache(1, 8, replacement, 3);
    for (long key = 1; key <= 8; key++) {
      cache.put(key, key);
    }
    for (long key = 2; key <= 8; key += 3) {
      cache.remove(cache.peek(key));
    }
    for (long key = 12; key <= 14; key++) {
      cache.put(key, key);
    }
    assertThat(keys(cache)).containsExactlyInAnyOrder(1L, 3L, 4L, 6L, 7L, 12L, 13L, 14L);
  }

  @Test
  void aLookThatIsNoUseDoesNotSaveAnEntry() {
    Cache cache = cache(1, 2, Replacement.LRU, 1);
    cache.put(1, 1);
    cache.put(2, 2);
    cache.peek(1);
    cache.put(3, 3);
    assertThat(keys(cache)).containsExactlyInAnyOrder(2L, 3L);
    cache.find(2);
    cache.put(4, 4);
    assertThat(keys(cache)).containsExactlyInAnyOrder(2L, 4L);
  }

  @Test
  void aValueCanBeReplaced() {
    Cache cache = cache(4, 2, Replacement.LRU, 1);
    cache.put(5, 6);
    cache.setValue(cache.find(5), 7);
    assertThat(cache.value(cache.find(5))).isEqualTo(7);
  }

  @Test
  void entriesGoByMaskAndMatchAndSomeBits() {
    Cache cache = cache(1, 8, Replacement.LRU, 1);
    for (long key : new long[] {0x11, 0x12, 0x21, 0x23, 0x31}) {
      cache.put(key, key);
    }
    cache.removeIf(0xf0, 0x10, 2);
    assertThat(keys(cache)).containsExactlyInAnyOrder(0x11L, 0x21L, 0x23L, 0x31L);
    cache.removeIf(0xf0, 0x20, 0);
    assertThat(keys(cache)).containsExactlyInAnyOrder(0x11L, 0x31L);
    cache.removeIf(0, 0, 0);
    assertThat(keys(cache)).isEmpty();
  }

  @Test
  void randomVictimsAreOfAllWaysAndFollowTheSeed() {
    assertThat(survivors(1)).isEqualTo(survivors(1)).isNotEqualTo(survivors(99));
    Set<Long> ever = new HashSet<>();
    for (long seed = 0; seed < 60; seed++) {
      Set<Long> gone = new HashSet<>(List.of(1L, 2L, 3L, 4L, 5L, 6L));
      gone.removeAll(survivors(seed * 1000));
      ever.addAll(gone);
    }
    assertThat(ever).hasSize(6);
  }

  private static Set<Long> survivors(long seed) {
    Cache cache = cache(1, 6, Replacement.RANDOM, seed);
    for (long key = 1; key <= 9; key++) {
      cache.put(key, key);
    }
    return new HashSet<>(keys(cache));
  }

  @ParameterizedTest
  @EnumSource(Replacement.class)
  void afterAResetVictimsAreThoseOfANewCache(Replacement replacement) {
    Cache used = cache(2, 4, replacement, 3);
    Cache fresh = cache(2, 4, replacement, 3);
    putAll(used, 5, 22);
    used.reset();
    assertThat(keys(used)).isEmpty();
    putAll(used, 100, 119);
    putAll(fresh, 100, 119);
    assertThat(keys(used)).isEqualTo(keys(fresh)).hasSize(8);
  }

  private static void putAll(Cache cache, long first, long last) {
    for (long key = first; key <= last; key++) {
      cache.put(key, key);
      cache.find(key - 3);
    }
  }

  @Test
  void setsAreApart() {
    Cache cache = cache(4, 1, Replacement.LRU, 1);
    for (long key = 4; key < 8; key++) {
      cache.put(key, key);
    }
    assertThat(keys(cache)).hasSize(4);
    cache.put(9, 9);
    assertThat(keys(cache)).containsExactlyInAnyOrder(4L, 9L, 6L, 7L);
  }
}
