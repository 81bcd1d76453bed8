// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** First-level data and instruction TLBs and the second level behind them. */
final class SlowTlb {
  /**
   * What one entry covers and answers.
   *
   * @param linear first address that it covers
   * @param shift log2 of what it covers: less than its page where the page is splintered
   */
  record Entry(int tag, int pcid, long linear, int shift, boolean fetch, Page page) {
    boolean covers(long address) {
      return (address ^ linear) >>> shift == 0;
    }

    boolean isOfPageWith(long address) {
      return (address ^ linear) >>> page.shift() == 0;
    }

    boolean isUsableIn(int ofTag, int ofPcid) {
      return tag == ofTag && (page.global() || pcid == ofPcid);
    }
  }

  /** One TLB of a level. */
  private record Part(int sizes, SlowArray<Entry> array) {}

  private static final int HITS_OF_INSTRUCTIONS =
      HwEvent.L1I_HITS_4K.ordinal() - HwEvent.L1D_HITS_4K.ordinal();

  private final List<Part> data;
  private final List<Part> instructions;
  private final List<Part> second;
  private final long[] counters;

  SlowTlb(TlbGeometry geometry, long[] counters) {
    Replacement replacement = geometry.replacement();
    data = parts(geometry.data(), replacement);
    instructions = parts(geometry.instructions(), replacement);
    second = parts(geometry.second(), replacement);
    this.counters = counters;
  }

  private static List<Part> parts(List<Tlb> tlbs, Replacement replacement) {
    List<Part> parts = new ArrayList<>();
    for (Tlb tlb : tlbs) {
      if (tlb.array().ways() > 0) {
        parts.add(new Part(tlb.sizes(), new SlowArray<>(tlb.array(), replacement)));
      }
    }
    return parts;
  }

  private List<Part> first(boolean fetch) {
    return fetch ? instructions : data;
  }

  /** Searches both levels; a hit in the second goes into the first. */
  @Nullable Page lookup(int tag, int pcid, long linear, boolean fetch, Shape shape) {
    Entry hit = find(first(fetch), tag, pcid, linear);
    if (hit != null) {
      int kind = fetch ? HITS_OF_INSTRUCTIONS : 0;
      counters[HwEvent.L1D_HITS_4K.ordinal() + kind + hit.page().level() - 1]++;
      return hit.page();
    }
    counters[(fetch ? HwEvent.L1I_MISSES : HwEvent.L1D_MISSES).ordinal()]++;
    Entry behind = find(second, tag, pcid, linear);
    if (behind == null) {
      counters[HwEvent.L2_MISSES.ordinal()]++;
      return null;
    }
    counters[HwEvent.L2_HITS_4K.ordinal() + behind.page().level() - 1]++;
    put(first(fetch), tag, pcid, linear, fetch, behind.page(), shape);
    return behind.page();
  }

  private static @Nullable Entry find(List<Part> parts, int tag, int pcid, long linear) {
    Entry found = null;
    Part where = null;
    for (Part part : parts) {
      for (Entry entry : part.array().entries()) {
        if (entry.isUsableIn(tag, pcid) && entry.covers(linear)) {
          if (found != null) {
            throw new Ambiguity(found + " and " + entry);
          }
          found = entry;
          where = part;
        }
      }
    }
    if (found != null && where != null) {
      where.array().use(found.linear() >>> found.shift(), found);
    }
    return found;
  }

  /** Keeps a page in both levels. */
  void fill(int tag, int pcid, long linear, boolean fetch, Page page, Shape shape) {
    put(second, tag, pcid, linear, false, page, shape);
    put(first(fetch), tag, pcid, linear, fetch, page, shape);
  }

  /** As the whole page where a TLB holds its size, else as a splinter of the next size held. */
  private static void put(
      List<Part> parts, int tag, int pcid, long linear, boolean fetch, Page page, Shape shape) {
    for (int size = page.level() - 1; size >= 0; size--) {
      for (Part part : parts) {
        if ((part.sizes() >>> size & 1) != 0) {
          int shift = shape.shift(size + 1);
          Entry entry = new Entry(tag, pcid, linear >> shift << shift, shift, fetch, page);
          part.array().put(linear >>> shift, entry);
          return;
        }
      }
    }
  }

  /** Drops what an access has hit without the rights it needs. */
  void drop(int tag, int pcid, long linear, boolean fetch) {
    Predicate<Entry> same = e -> e.isUsableIn(tag, pcid) && e.covers(linear);
    first(fetch).forEach(part -> part.array().removeIf(same));
    second.forEach(part -> part.array().removeIf(same));
  }

  void removeIf(Predicate<Entry> condition) {
    for (List<Part> level : List.of(data, instructions, second)) {
      level.forEach(part -> part.array().removeIf(condition));
    }
  }
}
