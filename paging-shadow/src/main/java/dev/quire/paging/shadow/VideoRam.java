// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.x86.PageEntry;
import java.util.Arrays;

/**
 * Which frames of a frame buffer were written since somebody last asked ({@code
 * shadow_track_dirty_vram}). A frame that one shadow entry lets be written is asked by that entry's
 * D bit, which the hardware sets; of more than one nobody knows, and the frame counts as written.
 * Where nothing was written for some time, all of it becomes read-only, so that the next question
 * costs nothing.
 */
final class VideoRam {
  /** So many questions in a row without a write; in Xen, which has a clock, two seconds. */
  private static final int QUIET = 2;

  private static final long UNKNOWN = ShadowPages.NO_PARENT;

  private final ShadowDomain domain;
  private @Gfn long first = Addresses.gfn(0);
  private int count;

  /** By frame: the place of the entry that lets it be written ({@code sl1ma}). */
  private long[] places = new long[0];

  private long[] dirty = new long[0];
  private int quiet;
  private boolean idle;

  VideoRam(ShadowDomain domain) {
    this.domain = domain;
  }

  /** Whether anything is tracked. */
  boolean isOn() {
    return count > 0;
  }

  /** Whether a frame is in a range that was not written for some time. */
  boolean isIdle(@Gfn long gfn) {
    return idle && number(gfn) >= 0;
  }

  private int number(@Gfn long gfn) {
    long number = gfn - first;
    return number >= 0 && number < count ? (int) number : -1;
  }

  private int numberOf(@Mfn long mfn) {
    boolean known = isOn() && domain.data().isCounted(mfn);
    @Gfn long gfn = known ? domain.gfnOf(mfn) : Addresses.gfn(FrameMapper.NONE);
    return gfn == FrameMapper.NONE ? -1 : number(gfn);
  }

  /** A frame is written, or will be next. */
  void wrote(@Gfn long gfn) {
    int number = number(gfn);
    if (number >= 0) {
      mark(number);
    }
  }

  private void mark(int number) {
    dirty[number >>> 6] |= 1L << number;
    quiet = 0;
    idle = false;
  }

  // ---- entries come and go ----

  /** An entry lets a frame be written from now on, and is counted ({@code shadow_vram_get_l1e}). */
  void mapped(@Mfn long mfn, long place) {
    int number = numberOf(mfn);
    if (number >= 0 && domain.data().writable(mfn) == 1) {
      places[number] = place;
    }
  }

  /**
   * An entry lets a frame be written no longer, but still is counted ({@code shadow_vram_put_l1e}).
   *
   * @param entry as the hardware left it
   */
  void unmapping(@Mfn long mfn, long place, long entry) {
    int number = numberOf(mfn);
    if (number < 0) {
      return;
    }
    boolean only = domain.data().writable(mfn) == 1;
    boolean clean = only && places[number] == place && (entry & PageEntry.D) == 0;
    if (only || places[number] == place) {
      places[number] = UNKNOWN;
    }
    if (!clean) {
      mark(number);
    }
  }

  // ---- questions ----

  /**
   * Answers a question, and begins anew; another range than the last time counts as written.
   *
   * @param frames how many; 0 ends the tracking
   * @param bitmap receives a bit for each
   */
  Errno ask(@Gfn long from, int frames, long[] bitmap) {
    domain.lock();
    try {
      if (from != first || frames != count) {
        begin(from, frames);
      } else {
        domain.flushIf(collect());
      }
      System.arraycopy(dirty, 0, bitmap, 0, dirty.length);
      Arrays.fill(dirty, 0);
      domain.flushIf(quiet++ >= QUIET && !idle && close());
      return Errno.OK;
    } finally {
      domain.unlock();
    }
  }

  private boolean collect() {
    boolean flush = false;
    for (int number = 0; number < count && !idle; number++) {
      flush |= look(number);
    }
    return flush;
  }

  private void begin(@Gfn long from, int frames) {
    first = from;
    count = frames;
    places = new long[frames];
    Arrays.fill(places, UNKNOWN);
    dirty = new long[frames + 63 >>> 6];
    idle = false;
    for (int number = 0; number < frames; number++) {
      mark(number);
    }
  }

  /** Looks whether a frame was written; answers whether a flush must follow. */
  private boolean look(int number) {
    @Mfn long mfn = domain.guest().toMachine(Addresses.advance(first, number));
    if (mfn == FrameMapper.NONE || domain.data().writable(mfn) > 1) {
      mark(number);
      return false;
    }
    if (domain.data().writable(mfn) == 0) {
      return false;
    }
    long place = places[number];
    if (place == UNKNOWN) {
      mark(number); // by which entry is not known, so the next one shall be
      return domain.unshadowing().removeMappings(mfn, 1);
    }
    int slot = ShadowPages.placeSlot(place);
    boolean written = domain.pages().clean(slot, ShadowPages.placeIndex(place));
    if (written) {
      mark(number);
    }
    return written;
  }

  /** Lets nothing be written any more until somebody wants to. */
  private boolean close() {
    boolean flush = false;
    for (int number = 0; number < count; number++) {
      @Mfn long mfn = domain.guest().toMachine(Addresses.advance(first, number));
      flush |= mfn != FrameMapper.NONE && domain.writeAccess().remove(mfn, 1, null);
    }
    idle = Arrays.stream(dirty).allMatch(word -> word == 0); // else an entry told when it went
    return flush;
  }
}
