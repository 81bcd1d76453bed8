// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.logdirty;

import dev.quire.api.address.Gfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.LogDirty;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.PagingDomain;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A domain's dirty log (Xen's {@code paging.c}). Two locks: operations hold this object's, which
 * comes before the p2m's; {@link #mark} and the copying of bits hold the trie's, which comes after
 * it, so that whoever changes the p2m may mark.
 */
public final class DirtyLog implements LogDirty {
  /** An operation that was preempted. */
  private enum Unfinished {
    NONE,
    CLEAN,
    PEEK,
    DISABLE
  }

  private final Supplier<PagingDomain> backend;
  private final Supplier<@Nullable P2m> p2m;
  private final Preemption preemption;
  private final DirtyTrie trie;
  private final TrackedRange tracked;
  private Unfinished unfinished = Unfinished.NONE;
  private long copied;
  private volatile boolean enabled;
  private long lost;
  private long faults;
  private long dirtied;

  /**
   * A log that is off.
   *
   * @param pool gives the memory for the bitmap
   * @param backend sees to it that writes are noticed
   * @param p2m has the types; null for a domain that has no p2m
   * @param preemption asked after each page of the bitmap
   */
  public DirtyLog(
      PagingPool pool,
      PhysicalMemory memory,
      Supplier<PagingDomain> backend,
      Supplier<@Nullable P2m> p2m,
      Preemption preemption) {
    this.backend = backend;
    this.p2m = p2m;
    this.preemption = preemption;
    this.trie = new DirtyTrie(pool, memory);
    this.tracked = new TrackedRange();
  }

  @Override
  public boolean isEnabled() {
    return enabled;
  }

  @Override
  public synchronized Errno enable() {
    if (unfinished != Unfinished.NONE) {
      return Errno.EBUSY;
    }
    if (enabled) {
      return Errno.EINVAL;
    }
    P2m map = p2m.get();
    if (map != null && map.frames(P2mType.IOREQ_SERVER) > 0) {
      return Errno.EBUSY;
    }
    enabled = true; // before the first write can be noticed
    Errno done = backend.get().enableLogDirty();
    enabled = done == Errno.OK;
    return done;
  }

  @Override
  public synchronized Errno disable() {
    if (isBusyWithout(Unfinished.DISABLE)) {
      return Errno.EBUSY;
    }
    if (enabled) {
      Errno done = backend.get().disableLogDirty();
      if (done != Errno.OK) {
        return done;
      }
      enabled = false;
    }
    return free();
  }

  private Errno free() {
    synchronized (trie) {
      lost = 0;
      dirtied = 0;
      boolean all = trie.free(preemption);
      unfinished = all ? Unfinished.NONE : Unfinished.DISABLE;
      return all ? Errno.OK : Errno.ERESTART;
    }
  }

  private boolean isBusyWithout(Unfinished mine) {
    return unfinished != Unfinished.NONE && unfinished != mine;
  }

  @Override
  public synchronized Errno clean(long @Nullable [] bitmap, long frames) {
    return read(bitmap, frames, Unfinished.CLEAN);
  }

  @Override
  public synchronized Errno peek(long[] bitmap, long frames) {
    return read(bitmap, frames, Unfinished.PEEK);
  }

  private Errno read(long @Nullable [] bitmap, long frames, Unfinished operation) {
    if (isBusyWithout(operation)) {
      return Errno.EBUSY;
    }
    long wanted = Math.min(frames, 1L << DirtyTrie.WIDTH);
    if (wanted < 0) {
      return Errno.EINVAL;
    }
    if (bitmap != null && (long) bitmap.length << 6 < wanted) {
      return Errno.EFAULT;
    }
    boolean clean = operation == Unfinished.CLEAN;
    if (unfinished == Unfinished.NONE && enabled) {
      backend.get().drainLogDirty(); // before bits are cleared: what hardware knows belongs to them
    }
    Errno done = copy(bitmap, wanted, operation);
    return done == Errno.OK && clean && enabled ? backend.get().cleanLogDirty() : done;
  }

  private Errno copy(long @Nullable [] bitmap, long frames, Unfinished operation) {
    boolean clean = operation == Unfinished.CLEAN;
    synchronized (trie) {
      if (unfinished == Unfinished.NONE) {
        copied = 0;
        if (clean) {
          faults = 0;
          dirtied = 0;
        }
      }
      if (lost > 0) {
        unfinished = Unfinished.NONE;
        return Errno.ENOMEM;
      }
      long pages = frames + (1L << DirtyTrie.PAGE_BITS) - 1 >>> DirtyTrie.PAGE_BITS;
      while (copied < pages) {
        copyPage(bitmap, frames, clean);
        copied++;
        if (copied < pages && preemption.isRequested()) {
          unfinished = operation;
          return Errno.ERESTART;
        }
      }
      unfinished = Unfinished.NONE;
      return Errno.OK;
    }
  }

  private void copyPage(long @Nullable [] bitmap, long frames, boolean clean) {
    if (bitmap != null) {
      trie.copy(copied, bitmap, frames, clean);
    } else if (clean) {
      trie.clear(copied);
    }
  }

  @Override
  public void mark(@Gfn long gfn) {
    if (!enabled || gfn < 0 || gfn >>> DirtyTrie.WIDTH != 0) {
      return;
    }
    synchronized (trie) {
      switch (trie.set(gfn)) {
        case SET -> dirtied++;
        case NO_MEMORY -> lost++;
        case WAS_SET -> {}
      }
    }
  }

  @Override
  public void faulted(@Gfn long gfn) {
    if (enabled) {
      synchronized (trie) {
        faults++;
      }
      mark(gfn);
    }
  }

  @Override
  public synchronized Errno trackRange(@Gfn long first, long count, long[] bitmap) {
    P2m map = p2m.get();
    if (map == null) {
      return Errno.EOPNOTSUPP;
    }
    if (unfinished != Unfinished.NONE) {
      return Errno.EBUSY;
    }
    if (first < 0 || count < 0 || count > 1L << DirtyTrie.WIDTH) {
      return Errno.EINVAL;
    }
    if ((long) bitmap.length << 6 < count) {
      return Errno.EFAULT;
    }
    Errno own = tracked.isOn() ? Errno.EOPNOTSUPP : backend.get().trackRange(first, count, bitmap);
    if (own != Errno.EOPNOTSUPP) {
      return own;
    }
    if (tracked.is(first, count)) {
      backend.get().drainLogDirty();
    }
    return tracked.read(map, first, count, bitmap);
  }

  @Override
  public long faults() {
    synchronized (trie) {
      return faults;
    }
  }

  @Override
  public long dirtied() {
    synchronized (trie) {
      return dirtied;
    }
  }

  /** How many frames of the pool the bitmap takes. */
  public long tableFrames() {
    synchronized (trie) {
      return trie.pages();
    }
  }

  @Override
  public List<String> audit() {
    List<String> wrong = new ArrayList<>();
    synchronized (trie) {
      long[] found = trie.recount();
      if (found[0] != trie.pages()) {
        wrong.add("log-dirty: " + trie.pages() + " pages, but " + found[0] + " can be reached");
      }
      if (found[1] < dirtied) {
        wrong.add("log-dirty: " + dirtied + " frames became dirty, " + found[1] + " bits are set");
      }
      if (!enabled && unfinished == Unfinished.NONE && found[0] > 0) {
        wrong.add("log-dirty: off, but the bitmap has " + found[0] + " pages");
      }
    }
    return wrong;
  }
}
