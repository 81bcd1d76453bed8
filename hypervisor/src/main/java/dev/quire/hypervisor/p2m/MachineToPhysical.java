// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Who owns each machine frame, which guest frame of the owner it is, and how many mappings by
 * others refer to it: Xen's M2P with the owner and the count of {@code page_info} beside it. One
 * for a machine; flat, in chunks that exist once something in them is owned. Safe for use by
 * several threads.
 *
 * <pre>
 *   62 table | 61 without owner, but referred to | 60 table in use | 55..40 owner + 1, or 0 for nobody | 39..0 guest frame
 * </pre>
 */
public final class MachineToPhysical {
  /** Nobody owns the frame. */
  public static final int NOBODY = -1;

  /** The largest number of a domain. */
  public static final int LAST_DOMAIN = 0xfffe;

  /** No guest frame: {@code INVALID_M2P_ENTRY}. */
  public static final long NOT_MAPPED = (1L << 40) - 1;

  /** The frame is shared, and is several guest frames: {@code SHARED_M2P_ENTRY}. */
  public static final long SHARED = NOT_MAPPED - 1;

  private static final int OWNER_SHIFT = 40;
  private static final long OWNER = 0xffffL;
  private static final long TABLE = 1L << 62;
  private static final long ORPHAN = 1L << 61;
  private static final long IN_USE = 1L << 60;
  private static final int CHUNK_BITS = 12;
  private static final int CHUNK = 1 << CHUNK_BITS;

  private final AtomicReferenceArray<@Nullable AtomicLongArray> chunks;
  private final Map<Long, References> references = new HashMap<>();

  /**
   * All frames are nobody's.
   *
   * @param frames how many the machine has, holes included: one past the last frame of RAM
   */
  public MachineToPhysical(long frames) {
    chunks = new AtomicReferenceArray<>((int) (frames + CHUNK - 1 >>> CHUNK_BITS));
  }

  /** The domain that a frame belongs to as guest memory, or {@link #NOBODY}. */
  public int owner(@Mfn long mfn) {
    long word = word(mfn);
    return (word & TABLE) != 0 ? NOBODY : ownerOf(word);
  }

  /**
   * The guest frame of its owner that a frame is.
   *
   * @return {@link #NOT_MAPPED} or {@link #SHARED} if it is not one
   */
  public @Gfn long gfn(@Mfn long mfn) {
    long word = word(mfn);
    return Addresses.gfn(ownerOf(word) == NOBODY ? NOT_MAPPED : word & NOT_MAPPED);
  }

  /** Notes which guest frame a frame is ({@code set_gpfn_from_mfn}). It has an owner. */
  void setGfn(@Mfn long mfn, long gfn) {
    update(
        mfn,
        word -> {
          if (ownerOf(word) == NOBODY || (word & TABLE) != 0) {
            throw new IllegalStateException(
                String.format("frame 0x%x is nobody's memory and cannot be a guest frame", mfn));
          }
          return word & ~NOT_MAPPED | gfn & NOT_MAPPED;
        });
  }

  /** Gives frames to a domain; they are nobody's, and no guest frame of the domain yet. */
  public void give(@Mfn long first, long count, int domain) {
    checkDomain(domain);
    for (long i = 0; i < count; i++) {
      claim(Addresses.advance(first, i), (domain + 1L) << OWNER_SHIFT | NOT_MAPPED);
    }
  }

  /** Forgets whose frames these are, which stay allocated: their domain has no p2m any more. */
  public void take(@Mfn long first, long count) {
    for (long i = 0; i < count; i++) {
      update(Addresses.advance(first, i), word -> 0);
    }
  }

  /**
   * Takes frames from their owner, whose p2m has them no more, and gives them back: those that
   * somebody refers to when the last reference is put.
   */
  public void release(@Mfn long first, long count, FrameSource to) {
    long from = 0;
    for (long i = 0; i < count; i++) {
      @Mfn long mfn = Addresses.advance(first, i);
      if (orphan(mfn, to)) {
        giveBack(first, from, i, to);
        from = i + 1;
      }
    }
    giveBack(first, from, count, to);
  }

  /** A frame is without an owner from now on; answers whether somebody refers to it still. */
  private boolean orphan(@Mfn long mfn, FrameSource to) {
    synchronized (references) {
      References held = references.get(mfn);
      if (held != null) {
        held.home = to;
      }
      update(mfn, word -> held != null ? ORPHAN : 0);
      return held != null;
    }
  }

  private static void giveBack(@Mfn long first, long from, long to, FrameSource home) {
    if (from < to) {
      home.release(Addresses.advance(first, from), to - from);
    }
  }

  /**
   * Takes a reference to a frame, so that it is given to nobody else ({@code get_page}).
   *
   * @return false if it is nobody's memory
   */
  boolean takeReference(@Mfn long mfn) {
    synchronized (references) {
      if (owner(mfn) == NOBODY) {
        return false;
      }
      references.computeIfAbsent(mfn, frame -> new References()).count++;
      return true;
    }
  }

  /** Puts a reference. */
  void putReference(@Mfn long mfn) {
    FrameSource home;
    synchronized (references) {
      References held = references.get(mfn);
      if (held == null) {
        throw new IllegalStateException(String.format("nobody refers to frame 0x%x", mfn));
      }
      if (--held.count > 0) {
        return;
      }
      references.remove(mfn);
      home = held.home;
      if (home != null) {
        update(mfn, word -> 0);
      }
    }
    if (home != null) {
      home.release(mfn, 1);
    }
  }

  /** How many references to a frame there are. */
  public long references(@Mfn long mfn) {
    synchronized (references) {
      References held = references.get(mfn);
      return held == null ? 0 : held.count;
    }
  }

  /** References to one frame; few frames have any. */
  private static final class References {
    private long count;

    /** Where the frame goes after the last; null as long as it has an owner. */
    private @Nullable FrameSource home;
  }

  /** Marks a frame as memory for tables of a domain. */
  public void setTable(@Mfn long mfn, int domain) {
    checkDomain(domain);
    claim(mfn, TABLE | (domain + 1L) << OWNER_SHIFT | NOT_MAPPED);
  }

  /** The frame is no table any more, and nobody's. */
  public void clearTable(@Mfn long mfn) {
    update(mfn, word -> 0);
  }

  /**
   * A frame for tables is in use from now on, or is no longer: whoever frees it twice would let two
   * tables be made of it.
   */
  public void useTable(@Mfn long mfn, int domain, boolean inUse) {
    long expected = TABLE | (domain + 1L) << OWNER_SHIFT | NOT_MAPPED | (inUse ? 0 : IN_USE);
    update(
        mfn,
        word -> {
          if (word != expected) {
            throw new IllegalStateException(
                String.format(
                    "frame 0x%x is no table of domain %d that is %s",
                    mfn, domain, inUse ? "spare" : "in use"));
          }
          return word ^ IN_USE;
        });
  }

  /** Whether a frame is memory for tables of a domain. */
  public boolean isTable(@Mfn long mfn, int domain) {
    long word = word(mfn);
    return (word & TABLE) != 0 && ownerOf(word) == domain;
  }

  /** How many frames are memory for tables of a domain; looks at every frame that is owned. */
  public long tables(int domain) {
    return count(TABLE, TABLE | (domain + 1L) << OWNER_SHIFT);
  }

  private long count(long flags, long wanted) {
    long found = 0;
    for (int i = 0; i < chunks.length(); i++) {
      AtomicLongArray chunk = chunks.get(i);
      for (int k = 0; chunk != null && k < CHUNK; k++) {
        long word = chunk.getPlain(k);
        found += (word & (flags | OWNER << OWNER_SHIFT)) == wanted ? 1 : 0;
      }
    }
    return found;
  }

  /** Calls back for every frame that a domain owns as guest memory. */
  void forEachOwned(int domain, OwnedFrame action) {
    for (int i = 0; i < chunks.length(); i++) {
      AtomicLongArray chunk = chunks.get(i);
      for (int k = 0; chunk != null && k < CHUNK; k++) {
        long word = chunk.get(k);
        if ((word & TABLE) == 0 && ownerOf(word) == domain) {
          long mfn = (long) i << CHUNK_BITS | k;
          action.accept(Addresses.mfn(mfn), Addresses.gfn(word & NOT_MAPPED));
        }
      }
    }
  }

  /** Told of frames and what the M2P says of them. */
  @FunctionalInterface
  interface OwnedFrame {
    void accept(@Mfn long mfn, @Gfn long gfn);
  }

  private static void checkDomain(int domain) {
    if (domain < 0 || domain > LAST_DOMAIN) {
      throw new IllegalArgumentException("domain " + domain + " is not within 0.." + LAST_DOMAIN);
    }
  }

  private static int ownerOf(long word) {
    return (int) (word >>> OWNER_SHIFT & OWNER) - 1;
  }

  private void claim(@Mfn long mfn, long word) {
    update(
        mfn,
        before -> {
          if (before != 0) {
            throw new IllegalStateException(
                String.format("frame 0x%x is domain %d's already", mfn, ownerOf(before)));
          }
          return word;
        });
  }

  private long word(@Mfn long mfn) {
    long index = mfn >>> CHUNK_BITS;
    if (index < 0 || index >= chunks.length()) {
      return 0;
    }
    AtomicLongArray chunk = chunks.get((int) index);
    return chunk == null ? 0 : chunk.get((int) mfn & CHUNK - 1);
  }

  private void update(@Mfn long mfn, LongUnaryOperator change) {
    int index = Math.toIntExact(mfn >>> CHUNK_BITS);
    AtomicLongArray chunk = chunks.get(index);
    if (chunk == null) {
      chunks.compareAndSet(index, null, new AtomicLongArray(CHUNK));
      chunk = chunks.get(index);
    }
    if (chunk != null) {
      chunk.updateAndGet((int) mfn & CHUNK - 1, change);
    }
  }
}
