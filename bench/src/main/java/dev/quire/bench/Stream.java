// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Operations of one address space, and the pages that it maps; what C and Java kernels both run.
 * The format of the file is in {@code stream.h}.
 *
 * @param name of the stream
 * @param pages in the order in which they are mapped: page-table entries with the linear page
 *     number in bits 47..12
 * @param operations words of {@link dev.quire.api.hw.Operation}, probes all of them
 */
@SuppressWarnings("ArrayRecordComponent") // read in loops, compared by nobody
public record Stream(String name, long[] pages, long[] operations) {
  /** Bits of the linear address in a page. */
  static final long LINEAR_PAGE = 0x0000fffffffff000L;

  private static final long MAGIC = 0x314d525453525551L; // "QURSTRM1"
  private static final int HEADER = 3;

  static Stream read(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file)) {
      LongBuffer words =
          channel
              .map(FileChannel.MapMode.READ_ONLY, 0, channel.size())
              .order(ByteOrder.LITTLE_ENDIAN)
              .asLongBuffer();
      if (words.remaining() < HEADER || words.get() != MAGIC) {
        throw new IOException(file + ": not a stream file");
      }
      long[] pages = new long[Math.toIntExact(words.get())];
      long[] operations = new long[Math.toIntExact(words.get())];
      words.get(pages).get(operations);
      return new Stream(String.valueOf(file.getFileName()), pages, operations);
    }
  }

  void write(Path file) throws IOException {
    Path partial = file.resolveSibling(file.getFileName() + ".part");
    try (FileChannel channel =
        FileChannel.open(
            partial,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      put(channel, new long[] {MAGIC, pages.length, operations.length});
      put(channel, pages);
      put(channel, operations);
    }
    Files.move(partial, file, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
  }

  private static void put(FileChannel channel, long[] words) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocateDirect(1 << 20).order(ByteOrder.LITTLE_ENDIAN);
    for (int from = 0; from < words.length; from += bytes.capacity() / Long.BYTES) {
      int count = Math.min(words.length - from, bytes.capacity() / Long.BYTES);
      bytes.clear();
      bytes.asLongBuffer().put(words, from, count);
      bytes.limit(count * Long.BYTES);
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
    }
  }
}
