// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationContext;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The loop over hits by itself: that it serves what hits, and stops at what does not. Where it
 * serves nothing all else goes on as ever, only slowly; so nothing but this sees it.
 */
class ServingHitsTest {
  private static final long READ = Access.of(0, true, false);
  private static final long WRITE = Access.of(Access.WRITE, true, false);
  private static final long FETCH = Access.of(Access.FETCH, true, false);
  private static final long RIGHTS =
      Translation.PRESENT | Translation.WRITABLE | Translation.USER | Translation.EXECUTABLE;

  /**
   * Four small pages, two large and two huge ones. They differ in bits 23..12, by which the loop
   * guesses where an entry is.
   */
  private static final long[] PAGES = {
    0x12345000L,
    0x7f0012346000L,
    0x1000,
    -0x7fffe000L, // small
    0x40203000L,
    0x40404000L,
    0x80005000L,
    0xc0006000L
  };

  private static final int[] SIZES = {0, 0, 0, 0, 1, 1, 2, 2};
  private static final int[] SHIFTS = {12, 21, 30};

  /** How each page is accessed. */
  private static final long[] KINDS = {READ, WRITE, FETCH, WRITE, READ, FETCH, WRITE, FETCH};

  private static final long CLEAN = 0x55000;
  private static final long UNKNOWN = 0x56000;

  private final AddressSpaces spaces = new AddressSpaces();
  private final Counters counters = new Counters();

  private TranslationCache cache(Replacement replacement, int ways) {
    List<Tlb> first = List.of(tlb(ways, 1), tlb(2, 2), tlb(2, 4));
    List<Array> none = List.of(Array.NONE, Array.NONE, Array.NONE, Array.NONE);
    TlbGeometry geometry = new TlbGeometry(first, first, List.of(), none, replacement);
    TranslationCache cache = TlbParts.build(geometry, spaces, counters, 5);
    enter(cache, 1, 0, 0);
    return cache;
  }

  private static Tlb tlb(int ways, int sizes) {
    return new Tlb(new Array(1, ways), sizes);
  }

  private void enter(TranslationCache cache, int pcid, int rights, long privilege) {
    spaces.admit(1, pcid);
    TranslationContext context = new TranslationContext();
    context.set(PagingFormat.FOUR_LEVEL, 1, pcid, rights, 0, 0, privilege);
    cache.contextChanged(context);
  }

  private static long word(long access, long linear) {
    return Operation.access(access, Addresses.gva(linear));
  }

  private TranslationCache filled(Replacement replacement) {
    TranslationCache cache = cache(replacement, 8);
    for (int page = 0; page < PAGES.length; page++) {
      cache.fill(word(KINDS[page], PAGES[page]), translation(page));
    }
    cache.fill(word(READ, CLEAN), RIGHTS | 0x9000);
    return cache;
  }

  private static long translation(int page) {
    long size = (long) SIZES[page] << Translation.SIZE_SHIFT;
    return RIGHTS | Translation.DIRTY | size | page + 1L << 32;
  }

  /** Hits of all pages in turn. */
  private static long hit(int i) {
    int page = i % PAGES.length;
    return word(KINDS[page], PAGES[page] + 0x10 + i % 64);
  }

  /** Where such a hit arrives. */
  private static long machine(int i) {
    int page = i % PAGES.length;
    return (page + 1L << 32) + (PAGES[page] & (1L << SHIFTS[SIZES[page]]) - 1) + 0x10 + i % 64;
  }

  private static long[] hits(int length) {
    long[] operations = new long[length];
    Arrays.setAll(operations, ServingHitsTest::hit);
    return operations;
  }

  private static void expectReached(long[] reached, int from, int to) {
    for (int i = 0; i < reached.length; i++) {
      boolean served = i >= from && i < to;
      assertThat(reached[i])
          .as("operation %s of %s..%s", i, from, to)
          .isEqualTo(served ? machine(i) : -1);
    }
  }

  /** The last three may be left, since there are four a turn; never one beyond the end. */
  @ParameterizedTest
  @EnumSource(Replacement.class)
  void everyHitIsServedButTheLastFewAndNothingBeyondTheEnd(Replacement replacement) {
    TranslationCache cache = filled(replacement);
    long[] operations = hits(64);
    for (int from = 0; from < 6; from++) {
      for (int to = from; to < from + 20; to++) {
        long[] reached = new long[64];
        Arrays.fill(reached, -1);
        int next = cache.serve(operations, from, to, reached);
        assertThat(next).isBetween(Math.max(from, to - 3), to);
        expectReached(reached, from, next);
      }
    }
  }

  private static List<Long> misses() {
    return List.of(
        word(READ, UNKNOWN),
        word(READ, PAGES[0] ^ 1L << 45),
        word(READ, PAGES[4] + 0x200000),
        word(READ, PAGES[6] + 0x40000000L),
        word(WRITE, CLEAN),
        word(FETCH, CLEAN),
        word(READ, PAGES[0]) | Operation.DATA,
        word(READ, PAGES[0]) | Operation.WIDE);
  }

  @ParameterizedTest
  @EnumSource(Replacement.class)
  void whatDoesNotHitEndsIt(Replacement replacement) {
    TranslationCache cache = filled(replacement);
    for (long miss : misses()) {
      assertThat(cache.expects(miss)).as(Access.describe(miss)).isFalse();
      for (int at = 0; at < 9; at++) {
        long[] operations = hits(32);
        operations[at] = miss;
        long[] reached = new long[32];
        Arrays.fill(reached, -1);
        assertThat(cache.serve(operations, 0, 32, reached)).as(Access.describe(miss)).isEqualTo(at);
        expectReached(reached, 0, at);
      }
    }
  }

  @Test
  void itExpectsWhatItServes() {
    TranslationCache cache = filled(Replacement.LRU);
    for (int i = 0; i < 16; i++) {
      assertThat(cache.expects(hit(i))).isTrue();
    }
  }

  /** Rules that are new apply to what is there; nothing was invalidated. */
  @Test
  void itServesAsTheContextOfTheMomentHasIt() {
    TranslationCache cache = filled(Replacement.LRU);
    long[] supervisor = new long[8];
    Arrays.fill(supervisor, word(Access.of(0, false, false), PAGES[0]));
    assertThat(cache.serve(supervisor, 0, 8, new long[8])).isEqualTo(8);
    enter(cache, 1, Rights.SMAP, 0);
    assertThat(cache.expects(supervisor[0])).isFalse();
    assertThat(cache.serve(supervisor, 0, 8, new long[8])).isZero();
    assertThat(cache.serve(hits(8), 0, 8, new long[8])).isEqualTo(8);
    enter(cache, 1, 0, 0);
    assertThat(cache.serve(supervisor, 0, 8, new long[8])).isEqualTo(8);
    enter(cache, 2, 0, 0);
    assertThat(cache.serve(hits(8), 0, 8, new long[8])).as("under another PCID").isZero();
  }

  /** More hits than the lanes that they are counted in can hold. */
  @ParameterizedTest
  @EnumSource(Replacement.class)
  void everyHitIsCountedOnceByTlbAndSize(Replacement replacement) {
    TranslationCache cache = filled(replacement);
    int many = 8 * 2000;
    long[] operations = hits(many);
    counters.reset();
    int i = 0;
    while (i < many - 3) {
      int next = cache.serve(operations, i, many, new long[many]);
      assertThat(next).isGreaterThan(i);
      i = next;
    }
    cache.settle();
    assertThat(i).isEqualTo(many);
    List<Long> found = new ArrayList<>();
    for (int event = 0; event < 6; event++) {
      found.add(counters.get(HwEvent.values()[HwEvent.L1D_HITS_4K.ordinal() + event]));
    }
    assertThat(found).isEqualTo(expectedHits(many));
  }

  private static List<Long> expectedHits(int many) {
    long[] expected = new long[6];
    for (int i = 0; i < many; i++) {
      expected[(KINDS[i % KINDS.length] == FETCH ? 3 : 0) + SIZES[i % SIZES.length]]++;
    }
    return Arrays.stream(expected).boxed().toList();
  }

  /** Hits that are served count as uses, at each place of a turn. */
  @Test
  void whatWasServedLongestAgoGivesWay() {
    for (int first = 0; first < 4; first++) {
      for (int step : new int[] {1, 3}) {
        TranslationCache cache = cache(Replacement.LRU, 4);
        for (int page = 0; page < 4; page++) {
          cache.fill(word(READ, PAGES[page]), translation(page));
        }
        long[] turn = new long[4];
        for (int i = 0; i < 4; i++) {
          turn[i] = word(READ, PAGES[(first + i * step) % 4]);
        }
        assertThat(cache.serve(turn, 0, 4, new long[4])).isEqualTo(4);
        cache.fill(word(READ, UNKNOWN), RIGHTS | 0xa000);
        for (int i = 0; i < 4; i++) {
          assertThat(cache.lookup(turn[i]) == TranslationCache.MISS)
              .as("first %s, step %s, place %s", first, step, i)
              .isEqualTo(i == 0);
        }
      }
    }
  }

  /** Whatever its place in the TLB, and though there are large pages to be looked for too. */
  @Test
  void everyPageIsFoundInTheFirstLevel() {
    TranslationCache cache = filled(Replacement.LRU);
    counters.reset();
    for (int i = 0; i < 16; i++) {
      assertThat(cache.lookup(hit(i)) & Translation.PRESENT).isNotZero();
    }
    assertThat(counters.get(HwEvent.L1D_MISSES)).isZero();
    assertThat(counters.get(HwEvent.L1I_MISSES)).isZero();
  }

  /** A hit whose rights do not suffice is a hit nonetheless, and the entry is there once. */
  @Test
  void aWriteToACleanPageIsFoundInTheFirstLevel() {
    TranslationCache cache = filled(Replacement.LRU);
    counters.reset();
    assertThat(cache.lookup(word(WRITE, CLEAN))).isEqualTo(RIGHTS | 0x9000);
    assertThat(counters.get(HwEvent.L1D_HITS_4K)).isEqualTo(1);
    assertThat(counters.get(HwEvent.L1D_MISSES)).isZero();
  }
}
