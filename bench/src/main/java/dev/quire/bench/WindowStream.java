// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.guest.InputException;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceReader;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The accesses of a recorded window as one stream. The processes in it share one address space,
 * where each page that was touched is mapped once, as a 4 KiB page, with the rights that its
 * accesses need: user if a user touched it, writable if somebody wrote, executable if somebody
 * fetched, and global if it is the kernel's. So the stream has the window's locality and its mix of
 * fetches, reads and writes; its context switches are not in it.
 */
final class WindowStream {
  /** As many as a heap of 1 GiB has room for in a block. */
  private static final int MOST = 1 << 23;

  private static final int AT_ONCE = 4096;

  private final Path trace;
  private final Map<Long, Long> pages = new LinkedHashMap<>();

  private WindowStream(Path trace) {
    this.trace = trace;
  }

  /** The stream of the first accesses of a window file. */
  static Stream read(Path trace) {
    return new WindowStream(trace).read();
  }

  private Stream read() {
    long[] operations = new long[MOST];
    long[] places = new long[MOST];
    int count = 0;
    try (TraceReader reader = TraceReader.open(trace)) {
      if (!reader.header().window()) {
        throw new InputException(trace + ": not a window file, so without single accesses");
      }
      boolean more = true;
      while (more && count < MOST) {
        int until = Math.min(MOST, count + AT_ONCE);
        int next = reader.accesses(operations, places, count, until);
        for (; count < next; count++) {
          touch(operations[count]);
        }
        if (count < until) {
          more = reader.next() != Tag.END;
        }
      }
    }
    return new Stream("real", entries(), repeated(operations, count));
  }

  /** A short window several times over, so that a pass takes long enough to be timed. */
  private static long[] repeated(long[] operations, int count) {
    int times = Math.max(1, SyntheticStreams.LENGTH / count);
    long[] all = new long[times * count];
    for (int i = 0; i < times; i++) {
      System.arraycopy(operations, 0, all, i * count, count);
    }
    return all;
  }

  private void touch(long operation) {
    long linear = operation << 7 >> 7;
    if (linear << 16 >> 16 != linear) {
      throw new InputException(trace + ": addresses of 57 bits; a stream has four levels");
    }
    long rights = PageEntry.P;
    rights |= (operation & Access.USER) != 0 ? PageEntry.US : 0;
    rights |= (operation & Access.WRITE) != 0 ? PageEntry.RW : 0;
    rights |= (operation & Access.FETCH) != 0 ? PageEntry.NX : 0; // turned round in the end
    pages.merge(linear & Stream.LINEAR_PAGE, rights, (old, more) -> old | more);
  }

  private long[] entries() {
    return pages.entrySet().stream()
        .mapToLong(
            page -> {
              long rights = page.getValue() ^ PageEntry.NX;
              boolean kernel = page.getKey() << 16 < 0 && (rights & PageEntry.US) == 0;
              return page.getKey() | rights | (kernel ? PageEntry.G : 0);
            })
        .toArray();
  }
}
