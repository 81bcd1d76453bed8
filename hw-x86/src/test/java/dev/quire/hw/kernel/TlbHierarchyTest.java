// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationContext;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The TLBs by themselves, through the seam that the CPU uses. */
class TlbHierarchyTest {
  private static final long SMALL = 0x12345000L;
  private static final long LARGE = 0x40200000L;
  private static final long HUGE = 0x80000000L;
  private static final long RIGHTS =
      Translation.PRESENT | Translation.WRITABLE | Translation.USER | Translation.EXECUTABLE;
  private static final long READ = Access.of(0, true, false);
  private static final long FETCH = Access.of(Access.FETCH, true, false);
  private static final int K4 = 1;
  private static final int M2 = 2;
  private static final int G1 = 4;

  private final AddressSpaces spaces = new AddressSpaces();

  /** What is seen of an entry. */
  private record Held(String where, int pcid, long linear, int shift, long translation) {}

  private static Tlb tlb(int sets, int ways, int sizes) {
    return new Tlb(new Array(sets, ways), sizes);
  }

  private TranslationCache cache(Replacement replacement, List<Tlb> first, List<Tlb> second) {
    List<Array> none = List.of(Array.NONE, Array.NONE, Array.NONE, Array.NONE);
    TlbGeometry geometry = new TlbGeometry(first, first, second, none, replacement);
    TranslationCache cache = TlbParts.build(geometry, spaces, new Counters(), 5);
    current(cache, 1, 1);
    return cache;
  }

  private void current(TranslationCache cache, int tag, int pcid) {
    spaces.admit(tag, pcid);
    TranslationContext context = new TranslationContext();
    context.set(PagingFormat.FOUR_LEVEL, tag, pcid, 0, 0, 0, 0);
    cache.contextChanged(context);
  }

  private static long page(int size, long frame) {
    return RIGHTS | (long) size << Translation.SIZE_SHIFT | frame;
  }

  private static List<Held> held(TranslationCache cache) {
    List<Held> all = new ArrayList<>();
    cache.forEach(
        (where, tag, pcid, linear, shift, fetch, translation) ->
            all.add(new Held(where, pcid, linear, shift, translation)));
    return all;
  }

  private static List<Held> secondLevel(TranslationCache cache) {
    return held(cache).stream().filter(each -> each.where().equals("L2")).toList();
  }

  // ---- which TLB holds what ----

  static Stream<Arguments> spreads() {
    return Stream.of(
        Arguments.of(List.of(), new int[0]),
        Arguments.of(List.of(K4), new int[] {12, 12, 12}),
        Arguments.of(List.of(K4 | M2), new int[] {12, 21, 21}),
        Arguments.of(List.of(K4, M2), new int[] {12, 21, 21}),
        Arguments.of(List.of(K4, M2, G1), new int[] {12, 21, 30}),
        Arguments.of(List.of(K4, M2 | G1), new int[] {12, 21, 30}),
        Arguments.of(List.of(K4 | M2, G1), new int[] {12, 21, 30}),
        Arguments.of(List.of(K4 | G1, M2), new int[] {12, 21, 30}),
        Arguments.of(List.of(K4 | M2 | G1), new int[] {12, 21, 30}),
        Arguments.of(List.of(M2), new int[] {21, 21}),
        Arguments.of(List.of(G1), new int[] {30}));
  }

  /** The expected sizes are those of the small, the large and the huge page, as far as kept. */
  @ParameterizedTest
  @MethodSource("spreads")
  void theSecondLevelHoldsEachPageOnceInTheLargestPiecesItHasRoomFor(
      List<Integer> sizes, int[] shifts) {
    List<Tlb> second = sizes.stream().map(each -> tlb(4, 4, each)).toList();
    TranslationCache cache = cache(Replacement.LRU, List.of(tlb(1, 4, K4 | M2 | G1)), second);
    cache.fill(READ | SMALL, page(0, 0x5000));
    cache.fill(READ | LARGE, page(1, 0x600000));
    cache.fill(READ | HUGE, page(2, 0x40000000));
    assertThat(secondLevel(cache).stream().map(Held::shift))
        .containsExactlyInAnyOrderElementsOf(Arrays.stream(shifts).boxed().toList());
    assertThat(held(cache)).hasSize(3 + shifts.length);
    cache.drop(READ | SMALL);
    cache.drop(READ | LARGE);
    cache.drop(READ | HUGE);
    assertThat(held(cache)).isEmpty();
  }

  @Test
  void whatTheFirstLevelLostTheSecondHas() {
    TranslationCache cache =
        cache(Replacement.LRU, List.of(tlb(1, 1, 7)), List.of(tlb(4, 4, K4), tlb(2, 2, M2 | G1)));
    long[] pages = {SMALL, LARGE, HUGE, SMALL + 0x1000, LARGE + 0x200000};
    long[] translations = {
      page(0, 0x5000),
      page(1, 0x600000),
      page(2, 0x40000000),
      page(0, 0x7000) | Translation.GLOBAL,
      page(1, 0x800000) | Translation.GLOBAL
    };
    for (int i = 0; i < pages.length; i++) {
      cache.fill(READ | pages[i], translations[i]);
    }
    for (int i = 0; i < pages.length; i++) {
      assertThat(cache.lookup(READ | pages[i] | 0x123)).isEqualTo(translations[i]);
      assertThat(cache.lookup(FETCH | pages[i])).isEqualTo(translations[i]);
    }
    assertThat(cache.lookup(READ | SMALL + 0x2000)).isEqualTo(TranslationCache.MISS);
  }

  // ---- pages in pieces ----

  private TranslationCache pieces() {
    return cache(Replacement.LRU, List.of(tlb(1, 16, K4)), List.of(tlb(4, 8, K4)));
  }

  private static void fillPieces(TranslationCache cache, long linear, long translation) {
    for (long offset : new long[] {0, 0x5000, 0x1ff000}) {
      cache.fill(READ | linear + offset, translation);
    }
  }

  @Test
  void piecesOfAGlobalPageGoOnlyWithGlobals() {
    TranslationCache cache = pieces();
    fillPieces(cache, LARGE, page(1, 0x600000) | Translation.GLOBAL);
    fillPieces(cache, LARGE + 0x200000, page(1, 0x800000) | Translation.GLOBAL);
    List<Held> before = held(cache);
    assertThat(before).hasSize(12);
    cache.dropPage(1, LARGE + 0x7000, false);
    assertThat(held(cache)).isEqualTo(before);
    cache.dropPage(1, LARGE + 0x7000, true);
    assertThat(held(cache))
        .isEqualTo(before.stream().filter(e -> e.linear() >= LARGE + 0x200000).toList());
  }

  @Test
  void piecesUnderAnotherPcidOrTagStay() {
    TranslationCache cache = pieces();
    long page = page(1, 0x600000);
    current(cache, 2, 1);
    fillPieces(cache, LARGE, page | Translation.GLOBAL);
    current(cache, 1, 2);
    fillPieces(cache, LARGE, page);
    List<Held> others = held(cache);
    current(cache, 1, 1);
    fillPieces(cache, LARGE, page);
    assertThat(held(cache)).hasSize(18);
    cache.dropPage(1, LARGE, true);
    assertThat(held(cache)).isEqualTo(others);
  }

  // ---- reset ----

  @ParameterizedTest
  @EnumSource(Replacement.class)
  void afterAResetPagesGiveWayAsInANewCache(Replacement replacement) {
    List<Tlb> first = List.of(tlb(2, 4, K4), tlb(1, 2, M2));
    List<Tlb> second = List.of(tlb(2, 4, K4 | M2), tlb(1, 2, G1));
    TranslationCache used = cache(replacement, first, second);
    TranslationCache fresh = cache(replacement, first, second);
    exercise(used, 1);
    used.reset();
    assertThat(held(used)).isEmpty();
    exercise(used, 2);
    exercise(fresh, 2);
    assertThat(held(used)).isEqualTo(held(fresh)).hasSizeGreaterThan(20);
  }

  private static void exercise(TranslationCache cache, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < 150 + seed; i++) {
      int number = random.nextInt(24);
      int size = number < 14 ? 0 : number < 21 ? 1 : 2;
      long linear = (long) number << 12 + 9 * size;
      long access = random.nextBoolean() ? READ : FETCH;
      if (cache.lookup(access | linear) == TranslationCache.MISS) {
        cache.fill(access | linear, page(size, linear));
      }
    }
  }
}
