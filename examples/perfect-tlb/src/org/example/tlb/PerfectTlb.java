// SPDX-License-Identifier: Apache-2.0
package org.example.tlb;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationContext;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.function.Predicate;

/**
 * A TLB that never runs full. Its misses are those that no TLB avoids: the first use of each page
 * and what invalidations cost. What a real TLB misses beyond that is the price of its size.
 *
 * <p>Written to be read and not to be fast: it leaves out {@code serve}, so each access comes to
 * {@link #lookup}.
 */
final class PerfectTlb implements TranslationCache {
  private static final int GLOBAL = -1;
  private static final int LEVELS_WITH_PAGES = 3;
  private static final int HITS = HwEvent.L1D_HITS_4K.ordinal();
  private static final int FETCH_HITS = HwEvent.L1I_HITS_4K.ordinal();

  /**
   * What an entry is found by.
   *
   * @param tag VPID or ASID
   * @param pcid process-context identifier, or GLOBAL
   * @param shift log2 of the size of the page
   * @param number of the page
   */
  private record Page(int tag, int pcid, int shift, long number) {
    boolean holds(long linear) {
      return number == linear >>> shift;
    }
  }

  private final Map<Page, Long> entries = new HashMap<>();
  private final long[] counters;
  private PagingFormat format = PagingFormat.FOUR_LEVEL;
  private int tag;
  private int pcid;

  PerfectTlb(Counters counters) {
    this.counters = counters.values();
  }

  @Override
  public void contextChanged(TranslationContext context) {
    if (!context.format().equals(format)) {
      entries.clear(); // pages have other sizes now
    }
    format = context.format();
    tag = context.tag();
    pcid = context.pcid();
  }

  @Override
  public long lookup(long access) {
    boolean fetch = (access & Access.FETCH) != 0;
    for (int level = 1; level <= LEVELS_WITH_PAGES; level++) {
      Long found = entries.get(page(access, level, pcid));
      if (found == null) {
        found = entries.get(page(access, level, GLOBAL));
      }
      if (found != null) {
        counters[(fetch ? FETCH_HITS : HITS) + level - 1]++;
        return found;
      }
    }
    counters[(fetch ? HwEvent.L1I_MISSES : HwEvent.L1D_MISSES).ordinal()]++;
    counters[HwEvent.L2_MISSES.ordinal()]++;
    return MISS;
  }

  @Override
  public void fill(long access, long translation) {
    boolean global = (translation & Translation.GLOBAL) != 0;
    int level = Translation.level(translation);
    entries.put(page(access, level, global ? GLOBAL : pcid), translation);
  }

  private Page page(long access, int level, int owner) {
    int shift = format.shift(level);
    return new Page(tag, owner, shift, (access & Operation.ADDRESS) >>> shift);
  }

  @Override
  public void drop(long access) {
    for (int level = 1; level <= LEVELS_WITH_PAGES; level++) {
      entries.remove(page(access, level, pcid));
      entries.remove(page(access, level, GLOBAL));
    }
  }

  @Override
  public void dropAll() {
    entries.clear();
  }

  @Override
  public void dropTag(int ofTag) {
    dropIf(page -> page.tag == ofTag);
  }

  @Override
  public void dropNonGlobal() {
    dropIf(page -> page.tag == tag && page.pcid != GLOBAL);
  }

  @Override
  public void dropPcid(int ofPcid) {
    dropIf(page -> page.tag == tag && page.pcid == ofPcid);
  }

  @Override
  public void dropPage(int ofPcid, @Gva long linear, boolean globals) {
    long address = linear & Operation.ADDRESS;
    dropIf(
        page ->
            page.tag == tag
                && (page.pcid == ofPcid || globals && page.pcid == GLOBAL)
                && page.holds(address));
  }

  private void dropIf(Predicate<Page> condition) {
    Iterator<Page> pages = entries.keySet().iterator();
    while (pages.hasNext()) {
      if (condition.test(pages.next())) {
        pages.remove();
      }
    }
  }

  @Override
  public void forEach(EntryVisitor visitor) {
    entries.forEach(
        (page, translation) -> {
          long first = page.number << page.shift << 7 >> 7; // 57 bits, sign-extended
          visitor.entry(
              "perfect", page.tag, page.pcid, Addresses.gva(first), page.shift, false, translation);
        });
  }
}
