// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.hw.PhysicalMemory;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What a guest's memory must hold, and what it held: every quadword with the values that it had
 * before and since when. Times are numbers that grow.
 */
final class ModelMemory {
  /** The values that a quadword had, the last one being what it has. */
  static final class Versions {
    private long[] values = new long[4];
    private long[] since = new long[4];
    private int count = 1;
    private long stored;

    private Versions(long first) {
      values[0] = first;
    }

    int count() {
      return count;
    }

    long value(int at) {
      return values[at];
    }

    long since(int at) {
      return since[at];
    }

    /** When the value ended; {@link Long#MAX_VALUE} for the last. */
    long until(int at) {
      return at + 1 < count ? since[at + 1] : Long.MAX_VALUE;
    }

    private void add(long value, long time) {
      if (since[count - 1] == time) {
        values[count - 1] = value;
        return;
      }
      if (count == values.length) {
        values = Arrays.copyOf(values, 2 * count);
        since = Arrays.copyOf(since, 2 * count);
      }
      values[count] = value;
      since[count++] = time;
    }
  }

  private static final long[] ZEROS = new long[PhysicalMemory.FRAME_LONGS];

  private final long[][] frames = new long[TortureLayout.FRAMES][];
  private final @Nullable Versions[][] history = new Versions[TortureLayout.FRAMES][];

  /** Memory that begins with these frames. */
  ModelMemory(long[][] content) {
    for (int i = 0; i < content.length; i++) {
      frames[i] = content[i].clone();
    }
  }

  /** Whether a guest-physical address is memory. */
  static boolean isRam(long gpa) {
    return gpa >= 0 && gpa >>> 12 < TortureLayout.FRAMES;
  }

  /** A quadword, by its number. */
  long word(int number) {
    long[] frame = frames[number >>> 9];
    return frame == null ? 0 : frame[number & 511];
  }

  /** An entry or other aligned item; all ones where there is no memory. */
  long entry(long gpa, int bytes) {
    return isRam(gpa) ? part(word((int) (gpa >>> 3)), gpa, bytes) : -1L >>> 64 - 8 * bytes;
  }

  /** Of a quadword, the aligned item that lies at an address in it. */
  static long part(long word, long gpa, int bytes) {
    return bytes == 8 ? word : word >>> 8 * (gpa & 7) & (1L << 8 * bytes) - 1;
  }

  /** Bytes in one frame, at any alignment. */
  long load(long gpa, int bytes) {
    int at = (int) (gpa & 7) * 8;
    int number = (int) (gpa >>> 3);
    long low = word(number) >>> at;
    boolean both = at + 8 * bytes > 64;
    long all = both ? low | word(number + 1) << 64 - at : low;
    return all & -1L >>> 64 - 8 * bytes;
  }

  /** Hardware sets A or D. */
  void assist(int number, long value, long time) {
    put(number, value, time);
  }

  /** The guest or a device stores bytes in one frame, at any alignment. */
  void store(long gpa, int bytes, long value, long time) {
    int at = (int) (gpa & 7) * 8;
    int number = (int) (gpa >>> 3);
    long mask = -1L >>> 64 - 8 * bytes;
    stored(number, word(number) & ~(mask << at) | (value & mask) << at, time);
    if (at + 8 * bytes > 64) {
      long rest = mask >>> 64 - at;
      stored(number + 1, word(number + 1) & ~rest | (value & mask) >>> 64 - at, time);
    }
  }

  private void stored(int number, long value, long time) {
    put(number, value, time).stored = time;
  }

  private Versions put(int number, long value, long time) {
    long[] frame = frames[number >>> 9];
    if (frame == null) {
      frame = new long[PhysicalMemory.FRAME_LONGS];
      frames[number >>> 9] = frame;
    }
    Versions[] all = history[number >>> 9];
    if (all == null) {
      all = new Versions[PhysicalMemory.FRAME_LONGS];
      history[number >>> 9] = all;
    }
    Versions versions = all[number & 511];
    if (versions == null) {
      versions = new Versions(frame[number & 511]);
      all[number & 511] = versions;
    }
    versions.add(value, time);
    frame[number & 511] = value;
    return versions;
  }

  /** The values that a quadword had; null if it never changed. */
  @Nullable Versions versions(int number) {
    Versions[] all = history[number >>> 9];
    return all == null ? null : all[number & 511];
  }

  /** When a quadword was last stored to; 0 if never. */
  long lastStore(int number) {
    Versions versions = versions(number);
    return versions == null ? 0 : versions.stored;
  }

  /** The number of the first quadword in which memory is different, or -1. */
  int difference(TortureGuest guest) {
    for (int frame = 0; frame < frames.length; frame++) {
      long[] expected = frames[frame] == null ? ZEROS : frames[frame];
      int at = Arrays.mismatch(expected, guest.frame(frame));
      if (at >= 0) {
        return frame << 9 | at;
      }
    }
    return -1;
  }
}
