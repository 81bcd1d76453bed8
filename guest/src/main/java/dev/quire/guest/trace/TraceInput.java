// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import dev.quire.api.guest.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * The decompressed bytes of a trace in one reused buffer, and the primitives they encode.
 *
 * <p>A reader calls {@link #require} before each piece of at most {@link #SLACK} bytes, decodes
 * without looking at the end, and calls {@link #check} afterwards: behind the last byte of a stream
 * lie {@link #SLACK} zero bytes, so that decoding runs into them and not out of the array.
 */
final class TraceInput implements AutoCloseable {
  /** Bytes that may be decoded between {@link #require} and {@link #check}. */
  static final int SLACK = 64;

  static final VarHandle QUADWORD =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private static final int CAPACITY = 256 << 10;

  /** 8 MiB, which the format promises: a damaged frame header must not ask for gigabytes. */
  private static final int WINDOW_LOG_MAX = 23;

  private final String file;
  private final SeekableByteChannel compressed;
  private final InputStream source;
  private final byte[] bytes = new byte[CAPACITY + SLACK];
  private long offsetOfFirst;
  private int at;
  private int end;

  TraceInput(Path path) {
    file = path.toString();
    try {
      compressed = Files.newByteChannel(path);
      source =
          new ZstdInputStreamNoFinalizer(Channels.newInputStream(compressed))
              .setLongMax(WINDOW_LOG_MAX);
    } catch (IOException e) {
      throw new InputException(file + ": cannot be opened: " + e, e);
    }
  }

  /** The buffer; valid from {@link #at()} to {@link #end()}, until the next {@link #require}. */
  byte[] bytes() {
    return bytes;
  }

  int at() {
    return at;
  }

  int end() {
    return end;
  }

  /** Continues at {@code index} of the buffer. */
  void seek(int index) {
    at = index;
  }

  /** Offset in the decompressed stream of the next byte. */
  long offset() {
    return offsetOfFirst + at;
  }

  /** Bytes of the compressed file that the decompressor has taken so far. */
  long compressedBytesRead() {
    try {
      return compressed.position();
    } catch (IOException e) {
      throw failure("cannot be read: " + e, e);
    }
  }

  /** Size of the compressed file. Unit: bytes. */
  long compressedBytes() {
    try {
      return compressed.size();
    } catch (IOException e) {
      throw failure("cannot be read: " + e, e);
    }
  }

  /** Has {@code count} bytes ready, or all that are left when the stream ends before. */
  void require(int count) {
    if (end - at < count) {
      refill();
    }
  }

  /** Whether nothing is left; after {@link #require}. */
  boolean exhausted() {
    return at >= end;
  }

  /** Whether the next byte is there and an ACCESS tag; after {@link #require}. */
  boolean nextIsAccess() {
    return at < end && bytes[at] < 0;
  }

  /** Refuses what was decoded if it was not all there. */
  void check() {
    if (at > end) {
      throw cut();
    }
  }

  /** Refuses to go on unless {@code count} bytes are there; after {@link #require}. */
  void checkLeft(int count) {
    if (end - at < count) {
      throw cut();
    }
  }

  private InputException cut() {
    at = end;
    return new InputException(message("the file is cut: it ends inside a record"));
  }

  int u8() {
    return bytes[at++] & 0xFF;
  }

  /** A little-endian number of 1, 2, 4 or 8 bytes. */
  long le(int size) {
    long value = (long) QUADWORD.get(bytes, at);
    at += size;
    return value & -1L >>> Long.SIZE - 8 * size;
  }

  /** {@code uv}: unsigned LEB128 of at most 64 bits. */
  long uv() {
    byte first = bytes[at++];
    return first >= 0 ? first : longUv(first & 0x7F);
  }

  private long longUv(long firstGroup) {
    long value = firstGroup;
    for (int shift = 7; shift < Long.SIZE; shift += 7) {
      byte next = bytes[at++];
      value |= (next & 0x7FL) << shift;
      if (next >= 0 && (shift < 63 || next <= 1)) {
        return value;
      }
    }
    throw failure("a number has more than 64 bits");
  }

  /** {@code sv}: a zigzag number in {@code uv} form. */
  long sv() {
    long z = uv();
    return z >>> 1 ^ -(z & 1);
  }

  /** The exception for trouble at the place now reached. */
  InputException failure(String problem) {
    if (at > end) { // what was decoded was not there, so the trouble is another one
      return cut();
    }
    return new InputException(message(problem));
  }

  private InputException failure(String problem, IOException cause) {
    return new InputException(message(problem), cause);
  }

  private String message(String problem) {
    return file + ": " + problem + ", at byte " + offset() + " of the decompressed trace";
  }

  private void refill() {
    int kept = end - at;
    System.arraycopy(bytes, at, bytes, 0, kept);
    offsetOfFirst += at;
    at = 0;
    end = kept;
    try {
      int got = 0;
      while (end < CAPACITY && got >= 0) {
        end += got;
        got = source.read(bytes, end, CAPACITY - end);
      }
    } catch (IOException e) {
      throw failure("the compressed stream is damaged or cut: " + e.getMessage(), e);
    }
    Arrays.fill(bytes, end, end + SLACK, (byte) 0);
  }

  @Override
  public void close() {
    try {
      source.close();
    } catch (IOException e) {
      throw failure("cannot be closed: " + e, e);
    }
  }
}
