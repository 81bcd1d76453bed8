// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The grants that one domain has mapped, by the handles that it knows them by. A handle is free, or
 * taken and stands for nothing yet, or stands for a mapping. Safe for several threads.
 */
final class Maptrack {
  /** As many as {@code gnttab_max_maptrack_frames} pages hold. */
  private static final int MOST = 1024 * 256;

  private static final int FIRST = 16;
  private static final int END = -1;

  private @Nullable GrantTable[] granters = new GrantTable[FIRST];
  private int[] refs = new int[FIRST];

  /** Of {@link GrantFlags}; 0 for a handle that stands for nothing. */
  private int[] flags = new int[FIRST];

  /** Of a free handle: the next free one. */
  private int[] next = new int[FIRST];

  private int free = END;
  private int used;

  /** A handle that nobody has; negative if there are too many. */
  synchronized int take() {
    if (free != END) {
      int handle = free;
      free = next[handle];
      return handle;
    }
    if (used == MOST) {
      return END;
    }
    if (used == refs.length) {
      int size = Math.min(MOST, used * 2);
      granters = Arrays.copyOf(granters, size);
      refs = Arrays.copyOf(refs, size);
      flags = Arrays.copyOf(flags, size);
      next = Arrays.copyOf(next, size);
    }
    used++;
    return used - 1;
  }

  /** The handle stands for a mapping from now on. */
  synchronized void set(int handle, GrantTable granter, int ref, int how) {
    granters[handle] = granter;
    refs[handle] = ref;
    flags[handle] = how;
  }

  /** Gives a handle back that stands for nothing. */
  synchronized void drop(int handle) {
    granters[handle] = null;
    flags[handle] = 0;
    next[handle] = free;
    free = handle;
  }

  /** Whose grant it is; null if the handle stands for nothing. */
  synchronized @Nullable GrantTable granter(int handle) {
    return Integer.compareUnsigned(handle, used) < 0 ? granters[handle] : null;
  }

  synchronized int ref(int handle) {
    return refs[handle];
  }

  synchronized int flags(int handle) {
    return flags[handle];
  }

  /** Kinds of the mapping have ended; with the last one the handle is free. */
  synchronized void ended(int handle, int kinds) {
    flags[handle] &= ~kinds;
    if ((flags[handle] & (GrantFlags.HOST | GrantFlags.DEVICE)) == 0) {
      drop(handle);
    }
  }

  /** Sees a mapping. */
  @FunctionalInterface
  interface Visitor {
    /**
     * One mapping.
     *
     * @param how of {@link GrantFlags}
     */
    void mapping(int handle, GrantTable granter, int ref, int how);
  }

  /** Shows every mapping; the visitor may end the one that it is shown. */
  synchronized void forEach(Visitor visitor) {
    for (int handle = 0; handle < used; handle++) {
      GrantTable granter = granters[handle];
      if (granter != null && flags[handle] != 0) {
        visitor.mapping(handle, granter, refs[handle], flags[handle]);
      }
    }
  }
}
