// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import java.util.Arrays;

/**
 * Tables of any level that are out of sync, as many as there is memory for: the list of {@code
 * out_of_sync_entry}. A snapshot covers the entries of a table that had a shadow when it was taken,
 * and those that got one since. Of every shadow entry that lets a table be written the place is
 * listed, so that nothing has to be searched for. All go back into sync together.
 */
final class ClassicOutOfSyncTables implements StaleTables {
  /** No number. */
  static final int NONE = -1;

  private final PhysicalMemory memory;
  private final TableMemory pool;
  private long[] frames = new long[16];
  private long[] snapshots = new long[16];

  /** What a snapshot covers. Unit: quadwords. */
  private int[] first = new int[16];

  private int[] end = new int[16];

  /** The last place of each that is listed, plus one. */
  private int[] lastPlace = new int[16];

  private int count;
  private int occupied;
  private long[] places = new long[16];
  private long[] written = new long[16];

  /** The place listed before one for the same table, plus one. */
  private int[] before = new int[16];

  private int placeCount;
  private boolean closed;

  /** By machine frame: its number plus one. */
  private final FrameInts numbers = new FrameInts();

  ClassicOutOfSyncTables(PhysicalMemory memory, TableMemory pool) {
    this.memory = memory;
    this.pool = pool;
  }

  /** One past the highest number. */
  int end() {
    return count;
  }

  @Override
  public boolean any() {
    return occupied > 0;
  }

  /** The table with a number, or {@link FrameMapper#NONE} if it is none any more. */
  @Mfn
  long frame(int number) {
    return Addresses.mfn(frames[number]);
  }

  @Override
  public boolean isOutOfSync(@Mfn long mfn) {
    return numbers.get(mfn) != 0;
  }

  @Override
  public boolean mayWrite(@Mfn long mfn) {
    return !closed && isOutOfSync(mfn);
  }

  /**
   * Takes a snapshot of a table, in a frame of the reserve.
   *
   * @param from the first quadword to cover
   * @param to one past the last
   */
  void add(@Mfn long mfn, int from, int to) {
    if (count == frames.length) {
      frames = Arrays.copyOf(frames, 2 * count);
      snapshots = Arrays.copyOf(snapshots, 2 * count);
      first = Arrays.copyOf(first, 2 * count);
      end = Arrays.copyOf(end, 2 * count);
      lastPlace = Arrays.copyOf(lastPlace, 2 * count);
    }
    frames[count] = mfn;
    snapshots[count] = pool.take();
    first[count] = from;
    end[count] = from;
    lastPlace[count] = 0;
    occupied++;
    count++;
    numbers.set(mfn, count);
    cover(count - 1, from, to);
  }

  /** Extends a snapshot; what is added has no shadow, so that any value of it will do. */
  private void cover(int number, int from, int to) {
    long[] table = memory.frameToRead(frame(number));
    long[] snapshot = memory.frame(Addresses.mfn(snapshots[number]));
    if (from < first[number]) {
      System.arraycopy(table, from, snapshot, from, first[number] - from);
      first[number] = from;
    }
    if (to > end[number]) {
      System.arraycopy(table, end[number], snapshot, end[number], to - end[number]);
      end[number] = to;
    }
  }

  /** A shadow entry lets a table be written; answers whether another one did already. */
  boolean addPlace(@Mfn long mfn, long place) {
    int number = numbers.get(mfn) - 1;
    int last = lastPlace[number];
    for (int at = last; at != 0; at = before[at - 1]) {
      if (places[at - 1] == place) {
        return false;
      }
    }
    if (placeCount == places.length) {
      places = Arrays.copyOf(places, 2 * placeCount);
      written = Arrays.copyOf(written, 2 * placeCount);
      before = Arrays.copyOf(before, 2 * placeCount);
    }
    places[placeCount] = place;
    written[placeCount] = mfn;
    before[placeCount] = last;
    placeCount++;
    lastPlace[number] = placeCount;
    return last != 0;
  }

  /** How many such places are listed. */
  int places() {
    return placeCount;
  }

  /** The place of an entry that lets a table be written, or did. */
  long place(int number) {
    return places[number];
  }

  /** The table that it lets be written. */
  @Mfn
  long writtenAt(int number) {
    return Addresses.mfn(written[number]);
  }

  /** Whether all are on their way into sync. */
  boolean isClosed() {
    return closed;
  }

  /** From now on no new mapping may let any be written, and the snapshots stay as they are. */
  void close() {
    closed = true;
  }

  /** All are in sync. */
  void clear() {
    for (int number = 0; number < count; number++) {
      if (frames[number] != FrameMapper.NONE) {
        vacate(frame(number));
      }
    }
    count = 0;
    placeCount = 0;
    closed = false;
  }

  @Override
  public void vacate(@Mfn long mfn) {
    int number = numbers.get(mfn) - 1;
    if (number != NONE) {
      numbers.set(mfn, 0);
      frames[number] = FrameMapper.NONE;
      pool.giveBack(Addresses.mfn(snapshots[number]));
      occupied--;
    }
  }

  /**
   * Where a table next differs from its snapshot. Unit: quadwords.
   *
   * @param from where to begin
   * @return {@link #NONE} if it does not any more
   */
  int nextDifference(int number, int from) {
    int begin = Math.max(from, first[number]);
    if (begin >= end[number]) {
      return NONE;
    }
    long[] now = memory.frameToRead(frame(number));
    long[] then = memory.frameToRead(Addresses.mfn(snapshots[number]));
    int at = Arrays.mismatch(now, begin, end[number], then, begin, end[number]);
    return at < 0 ? NONE : begin + at;
  }

  /** Whether the snapshot of a table that is out of sync has an entry. */
  boolean covers(ShadowKind kind, @Mfn long mfn, int index) {
    int number = numbers.get(mfn) - 1;
    int quadword = index * kind.format().entryBytes() / Long.BYTES;
    return quadword >= first[number] && quadword < end[number];
  }

  @Override
  public long entry(ShadowKind kind, @Mfn long mfn, int index) {
    int bytes = kind.format().entryBytes();
    boolean covered = covers(kind, mfn, index);
    @Mfn long frame = covered ? Addresses.mfn(snapshots[numbers.get(mfn) - 1]) : mfn;
    return memory.load(Addresses.mfnToMaddr(frame, (long) index * bytes), bytes);
  }

  @Override
  public void entry(ShadowKind kind, @Mfn long mfn, int index, long entry) {
    int number = numbers.get(mfn) - 1;
    if (number != NONE && !closed) {
      int bytes = kind.format().entryBytes();
      int quadword = index * bytes / Long.BYTES;
      cover(number, quadword, quadword + 1);
      @Mfn long snapshot = Addresses.mfn(snapshots[number]);
      memory.store(Addresses.mfnToMaddr(snapshot, (long) index * bytes), bytes, entry);
    }
  }
}
