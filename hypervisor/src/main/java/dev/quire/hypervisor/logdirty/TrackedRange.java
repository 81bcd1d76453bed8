// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.logdirty;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mType;
import java.util.Arrays;

/**
 * A frame buffer whose writes are tracked by types alone ({@code hap_track_dirty_vram}): a frame of
 * the range that is RAM_RW was written since it was last made RAM_LOGDIRTY. Never switches the log
 * of the whole domain on (XSA-397).
 */
final class TrackedRange {
  private @Gfn long first = Addresses.gfn(0);
  private long count;

  boolean is(@Gfn long from, long frames) {
    return count > 0 && first == from && count == frames;
  }

  /** Whether there is a range. */
  boolean isOn() {
    return count > 0;
  }

  Errno read(P2m p2m, @Gfn long from, long frames, long[] bitmap) {
    return is(from, frames) ? collect(p2m, bitmap) : move(p2m, from, frames, bitmap);
  }

  /** Another range: what it held before is unknown, so all of it is dirty. */
  private Errno move(P2m p2m, @Gfn long from, long frames, long[] bitmap) {
    if (count > 0) {
      Errno stopped = p2m.changeTypeRange(first, count, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
      if (stopped != Errno.OK) {
        return stopped;
      }
      count = 0;
    }
    if (frames == 0) {
      return Errno.OK;
    }
    first = from;
    count = frames;
    Errno started = p2m.changeTypeRange(from, frames, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
    for (int i = 0; i < frames + 63 >>> 6; i++) {
      bitmap[i] = -1;
    }
    clip(bitmap);
    return started;
  }

  private void clip(long[] bitmap) {
    if ((count & 63) != 0) {
      bitmap[(int) (count >>> 6)] &= -1L >>> -count;
    }
  }

  private Errno collect(P2m p2m, long[] bitmap) {
    Arrays.fill(bitmap, 0, (int) (count + 63 >>> 6), 0);
    p2m.deferFlushes();
    try {
      for (long i = 0; i < count; i++) {
        @Gfn long gfn = Addresses.advance(first, i);
        Errno changed = p2m.changeType(gfn, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
        if (changed == Errno.OK) {
          bitmap[(int) (i >>> 6)] |= 1L << i;
        } else if (changed != Errno.EBUSY) {
          return changed;
        }
      }
      return Errno.OK;
    } finally {
      p2m.flushDeferred();
    }
  }
}
