// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import java.util.Arrays;

/**
 * What one domain grants to others: entries in frames that the domain writes (version 1, {@code
 * grant_entry_v1}: flags, domain, frame), and beside each what the hypervisor knows while the grant
 * is in use. Outlives the domain as long as somebody maps a grant of its. Safe for several threads.
 */
final class GrantTable {
  /** As many frames as a table may have ({@code gnttab_max_frames}). */
  static final int MOST_FRAMES = 64;

  private static final int PER_FRAME = 512;

  /** A guest that changes an entry while it is read is asked so often. */
  private static final int TRIES = 5;

  private static final int KIND = 3 | 1 << 8;
  private static final int PERMIT_ACCESS = 1;
  private static final int ACCEPT_TRANSFER = 2;
  private static final int READ_ONLY = 1 << 2;
  private static final int READING = 1 << 3;
  private static final int WRITING = 1 << 4;
  private static final int TRANSFER_COMMITTED = 1 << 2;
  private static final int TRANSFER_COMPLETED = 1 << 3;

  /** Four counts of a byte each, from the lowest: host write, host read, device write and read. */
  private static final int WRITERS = 0x00ff00ff;

  /** A count that must not grow further. */
  private static final int FULL = 0x80808080;

  private final PvDomain domain;
  private final PhysicalMemory memory;
  private long[] shared = new long[0];
  private int[] pins = new int[0];
  private int[] users = new int[0];
  private long[] frames = new long[0];
  private boolean closed;

  GrantTable(PvDomain domain, PhysicalMemory memory) {
    this.domain = domain;
    this.memory = memory;
  }

  /** Whose grants they are. */
  int owner() {
    return domain.id();
  }

  // ---- the shared frames ----

  /** How many frames of entries there are. */
  synchronized int size() {
    return shared.length;
  }

  synchronized @Mfn long sharedFrame(int index) {
    return Addresses.mfn(shared[index]);
  }

  /** Makes it at least so large; false if it may not be, or there is no memory. */
  synchronized boolean grow(int size, PagingWork work) {
    if (size > MOST_FRAMES || closed) {
      work.because(PvRule.GRANT_TABLE);
      return false;
    }
    while (shared.length < size) {
      @Mfn long mfn = domain.lend(work);
      if (mfn == FrameMapper.NONE) {
        work.because(PvRule.NO_MEMORY);
        return false;
      }
      int frames = shared.length + 1;
      shared = Arrays.copyOf(shared, frames);
      shared[frames - 1] = mfn;
      pins = Arrays.copyOf(pins, frames * PER_FRAME);
      users = Arrays.copyOf(users, frames * PER_FRAME);
      this.frames = Arrays.copyOf(this.frames, frames * PER_FRAME);
    }
    return true;
  }

  /** The domain ends: its frames are nobody's business any more, only what is in use goes on. */
  synchronized void close() {
    closed = true;
  }

  private @Maddr long entry(int ref) {
    return Addresses.mfnToMaddr(
        Addresses.mfn(shared[ref / PER_FRAME]), (long) (ref % PER_FRAME) * Long.BYTES);
  }

  private boolean exists(int ref, PagingWork work) {
    boolean exists = !closed && Integer.compareUnsigned(ref, pins.length) < 0;
    if (!exists) {
      work.because(PvRule.GRANT_REFERENCE);
    }
    return exists;
  }

  private static GrantStatus refuse(PvRule rule, PagingWork work) {
    work.because(rule);
    return GrantStatus.GENERAL_ERROR;
  }

  // ---- in use ----

  /**
   * A mapping of a grant begins: the entry must permit it, and shows from now on that it is used.
   *
   * @param user the domain that maps it
   * @param flags of {@link GrantFlags}
   */
  synchronized GrantStatus pin(int ref, int user, int flags, PagingWork work) {
    if (!exists(ref, work)) {
      return GrantStatus.BAD_GNTREF;
    }
    int pin = pins[ref];
    if (pin != 0 && (users[ref] != user || (pin & FULL) != 0)) {
      return refuse(PvRule.GRANT_IN_USE, work);
    }
    boolean writes = !GrantFlags.isReadOnly(flags);
    if (pin == 0 || writes && (pin & WRITERS) == 0) {
      GrantStatus permitted = mark(ref, user, writes, work);
      if (!permitted.isOkay()) {
        return permitted;
      }
      if (pin == 0) {
        users[ref] = user;
        frames[ref] = memory.load(entry(ref), Long.BYTES) >>> Integer.SIZE;
      }
    }
    pins[ref] += increment(flags);
    return GrantStatus.OKAY;
  }

  /** Sets the flags that say so in the entry ({@code _set_status_v1}). */
  private GrantStatus mark(int ref, int user, boolean writes, PagingWork work) {
    @Maddr long at = entry(ref);
    long word = memory.load(at, Integer.BYTES);
    for (int tries = 0; tries < TRIES; tries++) {
      boolean permits = (word & KIND) == PERMIT_ACCESS && word >>> Short.SIZE == user;
      if (pins[ref] == 0 && !permits || writes && (word & READ_ONLY) != 0) {
        return refuse(PvRule.GRANT_REFUSED, work);
      }
      long marked = word | READING | (writes ? WRITING : 0);
      long found = memory.compareExchange(at, Integer.BYTES, word, marked);
      if (found == word) {
        return GrantStatus.OKAY;
      }
      word = found;
    }
    return refuse(PvRule.GRANT_UNSTABLE, work);
  }

  /** The frame of a grant that is in use. */
  synchronized @Mfn long frame(int ref) {
    return Addresses.mfn(frames[ref]);
  }

  /**
   * A mapping has ended, or one kind of it.
   *
   * @param flags which kinds, and whether they were read-only
   */
  synchronized void unpin(int ref, int flags) {
    pins[ref] -= increment(flags);
    if (closed) {
      return; // the entry may be anything now
    }
    boolean wrote = !GrantFlags.isReadOnly(flags);
    int done = pins[ref] == 0 ? READING : 0;
    done |= wrote && (pins[ref] & WRITERS) == 0 ? WRITING : 0;
    if (done != 0) {
      change(ref, done, 0);
    }
  }

  /** What a mapping adds to the counts. */
  static int increment(int flags) {
    int shift = GrantFlags.isReadOnly(flags) ? Byte.SIZE : 0;
    int host = (flags & GrantFlags.HOST) != 0 ? 1 << shift : 0;
    int device = (flags & GrantFlags.DEVICE) != 0 ? 1 << shift + Short.SIZE : 0;
    return host + device;
  }

  /** Changes flags of an entry, whatever the guest does to it at the same time. */
  private void change(int ref, int clear, int set) {
    @Maddr long at = entry(ref);
    long found = memory.load(at, Short.BYTES);
    long expected;
    do {
      expected = found;
      found = memory.compareExchange(at, Short.BYTES, expected, expected & ~clear | set);
    } while (found != expected);
  }

  /** A mapping ends by which others may have written a frame ({@code gnttab_mark_dirty}). */
  void written(@Mfn long mfn, int flags) {
    if (!GrantFlags.isReadOnly(flags)) {
      domain.host().written(Addresses.mfnToMaddr(mfn), 1);
    }
  }

  // ---- transfer ----

  /** Whether the domain waits for a frame from another; if so it is bound to take one. */
  synchronized boolean accept(int ref, int from, PagingWork work) {
    if (!exists(ref, work)) {
      return false;
    }
    @Maddr long at = entry(ref);
    long wanted = ACCEPT_TRANSFER | (long) from << Short.SIZE;
    long found = memory.load(at, Integer.BYTES);
    for (int tries = 0; tries < TRIES && found == wanted; tries++) {
      long before = memory.compareExchange(at, Integer.BYTES, wanted, wanted | TRANSFER_COMMITTED);
      if (before == wanted) {
        return true;
      }
      found = before;
    }
    work.because(PvRule.GRANT_TRANSFER);
    return false;
  }

  /** The frame is the domain's now: it learns which, and the M2P what the domain calls it. */
  synchronized void accepted(int ref, @Mfn long mfn) {
    @Maddr long at = entry(ref);
    long name = memory.load(at, Long.BYTES) >>> Integer.SIZE;
    domain.host().machineToPhysical(mfn, name);
    memory.store(Addresses.advance(at, Integer.BYTES), Integer.BYTES, mfn);
    change(ref, 0, TRANSFER_COMPLETED);
  }

  // ---- audit ----

  /** The counts of a grant, for audits. */
  synchronized int pins(int ref) {
    return ref < pins.length ? pins[ref] : 0;
  }

  /** How many grants there can be. */
  synchronized int grants() {
    return pins.length;
  }
}
