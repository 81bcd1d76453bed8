// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.PhysicalMemory;

/**
 * What follows when a guest's table is written in the hardware's place: every shadow of the frame
 * is brought up to date with it at once ({@code sh_validate_guest_entry}), lower levels first,
 * since higher ones may refer to them. And what the write says of the frame: tables are not written
 * at odd places, nor zeroed word by word.
 */
final class GuestWrites {
  private final PhysicalMemory memory;
  private final ShadowPages pages;
  private final ShadowGraph graph;
  private final ShadowEntries entries;
  private final Unshadowing unshadowing;
  private final DyingTables dying;
  private final ShadowCounts counts;
  private final boolean heuristics;
  private @Mfn long lastZeroed = Addresses.mfn(-1);

  GuestWrites(
      PhysicalMemory memory,
      ShadowPages pages,
      ShadowGraph graph,
      ShadowEntries entries,
      Unshadowing unshadowing,
      DyingTables dying,
      ShadowCounts counts,
      boolean heuristics) {
    this.heuristics = heuristics;
    this.dying = dying;
    this.memory = memory;
    this.pages = pages;
    this.graph = graph;
    this.entries = entries;
    this.unshadowing = unshadowing;
    this.counts = counts;
  }

  /**
   * A frame was written in the hardware's place.
   *
   * @param offset of the first byte in the frame
   * @param bytes how many, all of them in the frame
   * @return whether a flush must follow
   */
  boolean written(@Mfn long mfn, int offset, int bytes) {
    if (!graph.isTable(mfn)) {
      return false;
    }
    counts.add(ShadowEvent.TABLE_WRITES);
    boolean odd = (offset & bytes - 1) != 0 || bytes < Integer.BYTES;
    boolean zero = !odd && memory.load(Addresses.mfnToMaddr(mfn, offset), bytes) == 0;
    boolean ends = heuristics && (odd || isTakenApart(mfn, zero));
    lastZeroed = zero ? mfn : Addresses.mfn(-1);
    boolean gone = ends && unshadowing.removeShadows(mfn, false);
    boolean flush = changed(mfn, offset, bytes);
    return gone || flush;
  }

  /**
   * Whether the guest is about to give a table back: it has said so, and no vCPU uses the root; if
   * it never says so, it writes two zeros in a row ({@code check_for_early_unshadow}).
   */
  private boolean isTakenApart(@Mfn long mfn, boolean zero) {
    return dying.isTold()
        ? dying.contains(mfn) && !unshadowing.isRoot(mfn)
        : zero && lastZeroed == mfn;
  }

  /**
   * Bytes of a frame are others than before: makes the shadow entries again that come from them.
   *
   * @return whether a flush must follow
   */
  boolean changed(@Mfn long mfn, int offset, int bytes) {
    int types = graph.typesOf(mfn);
    boolean flush = false;
    for (int type = 0; types >>> type != 0; type++) {
      if ((graph.typesOf(mfn) >>> type & 1) != 0) {
        flush |= changed(graph.find(type, ShadowHash.ofTable(mfn)), offset, bytes);
      }
    }
    return flush;
  }

  private boolean changed(int slot, int offset, int bytes) {
    int size = pages.kind(slot).format().entryBytes();
    boolean flush = false;
    graph.get(slot); // a table that refers to itself could end by its own entries
    for (int index = offset / size; index <= (offset + bytes - 1) / size; index++) {
      counts.add(ShadowEvent.REVALIDATED);
      flush |= entries.revalidate(slot, index);
    }
    graph.put(slot);
    return flush;
  }
}
