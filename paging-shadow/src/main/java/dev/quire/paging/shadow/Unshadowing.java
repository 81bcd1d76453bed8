// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import java.util.List;

/**
 * Takes shadows away: of a frame that no longer looks like a table, of what a changed p2m entry was
 * the base of, of all, or of those used least when frames are needed. The caller flushes.
 */
final class Unshadowing {
  private final ShadowPages pages;
  private final ShadowGraph graph;
  private final DataFrames data;
  private final ReverseMaps reverse;
  private final TableMemory memory;
  private final ShadowCounts counts;
  private final List<ShadowMode> modes;
  private final Runnable relinquish;

  Unshadowing(
      ShadowPages pages,
      ShadowGraph graph,
      DataFrames data,
      ReverseMaps reverse,
      TableMemory memory,
      ShadowCounts counts,
      List<ShadowMode> modes,
      Runnable relinquish) {
    this.relinquish = relinquish;
    this.pages = pages;
    this.graph = graph;
    this.data = data;
    this.reverse = reverse;
    this.memory = memory;
    this.counts = counts;
    this.modes = modes;
  }

  /**
   * Takes away the shadows of a frame ({@code sh_remove_shadows}). A root that a vCPU uses stays.
   *
   * @param thoroughly whether all tables may be searched for references
   * @return whether anything went, so that a flush must follow
   */
  boolean removeShadows(@Mfn long mfn, boolean thoroughly) {
    int types = graph.typesOf(mfn);
    for (int type = 0; types >>> type != 0; type++) {
      if ((types >>> type & 1) != 0) {
        removeShadow(graph.find(type, ShadowHash.ofTable(mfn)), thoroughly);
      }
    }
    if (types != 0) {
      counts.add(ShadowEvent.UNSHADOWED);
    }
    return types != 0;
  }

  /**
   * Takes away the shadows of a frame that is the guest's no longer. What vCPUs use as roots is
   * empty afterwards, and the vCPUs look for their roots again at their next fault.
   *
   * @return whether anything went, so that a flush must follow
   */
  boolean discard(@Mfn long mfn) {
    boolean gone = removeShadows(mfn, true);
    int types = graph.typesOf(mfn);
    for (int type = 0; types >>> type != 0; type++) {
      if ((types >>> type & 1) != 0) {
        graph.orphan(graph.find(type, ShadowHash.ofTable(mfn)));
      }
    }
    return gone;
  }

  private void removeShadow(int slot, boolean thoroughly) {
    if (pages.isPinned(slot)) {
      graph.unpin(slot);
    }
    while (pages.exists(slot) && pages.parent(slot) != ShadowPages.NO_PARENT) {
      graph.unlink(pages.parent(slot));
    }
    if (thoroughly && pages.exists(slot) && pages.refs(slot) > usesAsRoot(slot)) {
      removeReferences(slot);
    }
  }

  private void removeReferences(int slot) {
    counts.add(ShadowEvent.PARENT_SEARCHES);
    graph.get(slot); // so that it does not end, and its number is not another's, meanwhile
    for (int parent = 1; parent < pages.end(); parent++) {
      boolean isParent = pages.exists(parent) && !pages.kind(parent).isLast();
      for (int index = 0; isParent && index < pages.entries(parent); index++) {
        if (graph.child(pages.entry(parent, index)) == slot) {
          graph.setTable(parent, index, 0);
          isParent = pages.exists(parent);
        }
      }
    }
    graph.put(slot);
  }

  /** Whether a vCPU uses a shadow of a frame as a root. */
  boolean isRoot(@Mfn long mfn) {
    int types = graph.typesOf(mfn);
    boolean used = false;
    for (int type = 0; types >>> type != 0; type++) {
      used |=
          (types >>> type & 1) != 0 && usesAsRoot(graph.find(type, ShadowHash.ofTable(mfn))) > 0;
    }
    return used;
  }

  private int usesAsRoot(int slot) {
    int uses = 0;
    for (ShadowMode mode : modes) {
      uses += mode.usesAsRoot(slot);
    }
    return uses;
  }

  /**
   * Empties every entry that maps one of the frames in a row ({@code sh_remove_all_mappings}).
   *
   * @return whether anything went, so that a flush must follow
   */
  boolean removeMappings(@Mfn long first, long count) {
    if (!areMapped(first, count)) {
      return false;
    }
    if (reverse.areKept() && data.isCounted(Addresses.advance(first, count - 1))) {
      for (long i = 0; i < count; i++) {
        removeMappings(Addresses.advance(first, i));
      }
      return true;
    }
    counts.add(ShadowEvent.MAPPING_SEARCHES);
    for (int slot = 1; slot < pages.end(); slot++) {
      boolean last = pages.exists(slot) && pages.kind(slot).isLast();
      for (int index = 0; last && index < pages.entries(slot); index++) {
        long entry = pages.entry(slot, index);
        long frame = DataFrames.mfn(entry) - first;
        if (ShadowGraph.isPresent(entry) && frame >= 0 && frame < count) {
          graph.setPage(slot, index, 0);
        }
      }
    }
    return true;
  }

  private void removeMappings(@Mfn long mfn) {
    for (int link = reverse.first(mfn); link != ReverseMaps.NONE; link = reverse.first(mfn)) {
      long place = reverse.place(link);
      graph.setPage(ShadowPages.placeSlot(place), ShadowPages.placeIndex(place), 0);
    }
  }

  private boolean areMapped(@Mfn long first, long count) {
    for (long i = 0; i < count; i++) {
      @Mfn long mfn = Addresses.advance(first, i);
      if (!data.isCounted(mfn) || data.mapped(mfn) != 0) {
        return true;
      }
    }
    return false;
  }

  /** Takes away everything but the roots in use, which are emptied ({@code shadow_blow_tables}). */
  void blow() {
    counts.add(ShadowEvent.BLOWN);
    while (graph.oldestPinned() != ShadowPages.NONE) {
      graph.unpin(graph.oldestPinned());
    }
    unhook();
  }

  private void unhook() {
    for (ShadowMode mode : modes) {
      mode.emptyRoots();
    }
  }

  /**
   * Reserves frames, before anything is done that could not be undone ({@code shadow_prealloc}):
   * ends shadows that are only kept, those used least first; if that is not enough, gives up what
   * only saves work, and unless that leaves room for the next time too, empties the roots in use.
   *
   * @return false if there is no room even so
   */
  boolean makeRoom(int count) {
    while (!memory.couldReserve(count) && graph.oldestPinned() != ShadowPages.NONE) {
      counts.add(ShadowEvent.EVICTED_ROOTS);
      graph.unpin(graph.oldestPinned());
    }
    if (!memory.couldReserve(count)) {
      relinquish.run();
      if (!memory.couldReserve(2 * count)) {
        counts.add(ShadowEvent.UNHOOKS);
        unhook();
      }
    }
    return memory.reserve(count);
  }
}
