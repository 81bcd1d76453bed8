// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Mfn;
import dev.quire.api.x86.PageEntry;
import org.jspecify.annotations.Nullable;

/**
 * Takes away every right to write a frame, before it becomes a table ({@code
 * sh_remove_write_access}). Unless there are reverse maps, where the writable mappings are is not
 * recorded: it is guessed from where known guests have theirs, then looked for in the table where
 * the last one was found, then in all tables. The first generation looks first where the frame was
 * last found writable.
 */
final class WriteAccess {
  private final ShadowPages pages;
  private final ShadowGraph graph;
  private final DataFrames data;
  private final ReverseMaps reverse;
  private final ShadowCounts counts;
  private final @Nullable WritablePredictor predictor;

  /** The shadow in which a search last found a writable mapping. */
  private int lastFound = ShadowPages.NONE;

  WriteAccess(
      ShadowPages pages,
      ShadowGraph graph,
      DataFrames data,
      ReverseMaps reverse,
      ShadowCounts counts,
      @Nullable WritablePredictor predictor) {
    this.predictor = predictor;
    this.reverse = reverse;
    this.pages = pages;
    this.graph = graph;
    this.data = data;
    this.counts = counts;
  }

  /**
   * Afterwards no shadow entry lets the frame be written.
   *
   * @param level of the table that it becomes
   * @param mode of the vCPU that runs, by whose tables to guess; null if none does
   * @return whether a TLB may still let it be written, so that a flush must follow
   */
  boolean remove(@Mfn long mfn, int level, @Nullable ShadowMode mode) {
    for (int link = reverse.first(mfn); link != ReverseMaps.NONE; link = reverse.next(link)) {
      if (removeAt(reverse.place(link), mfn)) {
        counts.add(ShadowEvent.WRITABLE_BY_REVERSE_MAP);
      }
    }
    if (data.writable(mfn) > 0 && predictor != null) {
      predict(predictor.place(mfn), mfn);
    } else if (data.writable(mfn) > 0 && mode != null) {
      guess(mfn, level, mode);
    }
    if (data.writable(mfn) > 0 && pages.exists(lastFound) && pages.kind(lastFound).isLast()) {
      if (removeFrom(lastFound, mfn) > 0) {
        counts.add(ShadowEvent.WRITABLE_BY_LAST);
      }
    }
    if (data.writable(mfn) > 0) {
      search(mfn);
    }
    return data.mayBeWrittenByTlb(mfn);
  }

  private void predict(long place, @Mfn long mfn) {
    int slot = ShadowPages.placeSlot(place);
    boolean hit = removeAt(place, mfn);
    if (!hit && pages.exists(slot) && pages.kind(slot).isLast()) {
      hit = removeFrom(slot, mfn) > 0;
    }
    counts.add(hit ? ShadowEvent.WRITABLE_BY_PREDICTION : ShadowEvent.PREDICTIONS_MISSED);
  }

  private void guess(@Mfn long mfn, int level, ShadowMode mode) {
    for (WritableGuess guess : WritableGuess.values()) {
      if (guess.isFor(mode.guestLevels(), level)) {
        long place = mode.placeOf(guess.address(mode.lastFault(), mode.gfnOf(mfn)));
        if (removeAt(place, mfn)) {
          counts.add(ShadowEvent.WRITABLE_BY_GUESS);
          if (data.writable(mfn) == 0) {
            return;
          }
        }
      }
    }
  }

  private void search(@Mfn long mfn) {
    counts.add(ShadowEvent.WRITABLE_SEARCHES);
    for (int slot = 1; slot < pages.end() && data.writable(mfn) > 0; slot++) {
      if (pages.exists(slot) && pages.kind(slot).isLast() && removeFrom(slot, mfn) > 0) {
        counts.add(ShadowEvent.WRITABLE_BY_SEARCH);
        lastFound = slot;
      }
    }
    if (data.writable(mfn) > 0) {
      throw new IllegalStateException(
          String.format("frame 0x%x is mapped writable, but no shadow entry does it", mfn));
    }
  }

  private int removeFrom(int slot, @Mfn long mfn) {
    int found = 0;
    for (int index = 0; index < pages.entries(slot) && data.writable(mfn) > 0; index++) {
      found += removeAt(ShadowPages.place(slot, index), mfn) ? 1 : 0;
    }
    return found;
  }

  /**
   * Takes the right to write a frame from the entry at a place, if that still maps it.
   *
   * @param place of any entry; {@link ShadowPages#NO_PARENT} for none
   * @return whether it did
   */
  boolean removeAt(long place, @Mfn long mfn) {
    int slot = ShadowPages.placeSlot(place);
    int index = ShadowPages.placeIndex(place);
    boolean maps = place != ShadowPages.NO_PARENT && pages.exists(slot);
    if (!maps || !pages.kind(slot).isLast() || index >= pages.entries(slot)) {
      return false;
    }
    long entry = pages.entry(slot, index);
    if (!DataFrames.isWritable(entry) || DataFrames.mfn(entry) != mfn) {
      return false;
    }
    graph.setPage(slot, index, entry & ~PageEntry.RW);
    if (predictor != null) {
      predictor.found(mfn, place);
    }
    return true;
  }
}
