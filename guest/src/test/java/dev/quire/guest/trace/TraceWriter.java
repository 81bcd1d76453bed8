// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import com.github.luben.zstd.Zstd;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * Writes X86PTRC1 traces for tests; made from the description of the format, not from the reader.
 */
public final class TraceWriter {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final Map<Long, Long> dict = new HashMap<>();
  private long ic;
  private long lastStore;
  private long lastFillVa;
  private long lastFillPfn;
  private long lastX;
  private long lastD;

  public TraceWriter(boolean window, long ram, long startInstruction) {
    out.writeBytes("X86PTRC1".getBytes(StandardCharsets.US_ASCII));
    le(1, 4);
    le(window ? 1 : 0, 4);
    le(ram, 8);
    le(startInstruction, 8);
    ic = startInstruction;
  }

  public static TraceWriter base(long ram) {
    return new TraceWriter(false, ram, 0);
  }

  public static TraceWriter window(long ram) {
    return new TraceWriter(true, ram, 0);
  }

  public TraceWriter u8(int value) {
    out.write(value);
    return this;
  }

  public TraceWriter le(long value, int bytes) {
    for (int i = 0; i < bytes; i++) {
      out.write((int) (value >>> 8 * i));
    }
    return this;
  }

  public TraceWriter uv(long value) {
    long rest = value;
    while (rest >>> 7 != 0) {
      out.write((int) rest & 0x7F | 0x80);
      rest >>>= 7;
    }
    out.write((int) rest);
    return this;
  }

  public TraceWriter sv(long value) {
    return uv(value << 1 ^ value >> 63);
  }

  /** A record whose payload is one {@code uv}. */
  public TraceWriter number(int tag, long value) {
    return u8(tag).uv(value);
  }

  public TraceWriter tick(long instructions) {
    ic += instructions;
    return number(0x01, instructions);
  }

  public TraceWriter end() {
    return number(0x00, ic);
  }

  public TraceWriter invpcid(int type, long pcid, long va) {
    return u8(0x08).u8(type).uv(pcid).uv(va);
  }

  public TraceWriter pdpte(long p0, long p1, long p2, long p3) {
    return u8(0x09).uv(p0).uv(p1).uv(p2).uv(p3);
  }

  public TraceWriter ptpage(long frame, int level, long[] page) {
    u8(0x0B).uv(frame).u8(level);
    int at = 0;
    while (at < page.length) {
      int literal = at;
      while (literal < page.length && page[literal] == 0) {
        literal++;
      }
      int end = literal;
      while (end < page.length && page[end] != 0) {
        end++;
      }
      uv(literal - at).uv(end - literal);
      for (int i = literal; i < end; i++) {
        le(page[i], 8);
      }
      at = end;
    }
    return this;
  }

  /** {@code who}: 0 a CPU instruction, 0x08 the walker, 0x10 a device. */
  public TraceWriter ptstore(int who, long address, int bytes, long value, long count) {
    int size = Integer.numberOfTrailingZeros(bytes);
    u8(0x0C).u8(size | who | (count > 1 ? 0x20 : 0)).sv(address - lastStore).le(value, bytes);
    if (count > 1) {
      uv(count);
    }
    lastStore = address + count * bytes;
    return this;
  }

  public TraceWriter fill(int flags, long va, long pa) {
    u8(0x0D).u8(flags).sv(va - lastFillVa).sv((pa >>> 12) - lastFillPfn);
    lastFillVa = va;
    lastFillPfn = pa >>> 12;
    return this;
  }

  public TraceWriter fault(int flags, long error, long va, long rip) {
    return u8(0x0E).u8(flags).uv(error).uv(va).uv(rip);
  }

  /**
   * {@code kind}: 0 read, 1 write, 2 fetch, 3 read-modify-write. The page is written if it is news.
   */
  public TraceWriter access(int kind, boolean user, long length, long va, long pa) {
    boolean news = !Long.valueOf(pa >>> 12).equals(dict.put(va >>> 12, pa >>> 12));
    int code = lengthCode(kind, length);
    u8(0x80 | kind << 5 | (user ? 0x10 : 0) | (news ? 8 : 0) | code);
    if (code == (kind == 2 ? 0 : 7)) {
      uv(length);
    }
    sv(va - (kind == 2 ? lastX : lastD));
    if (news) {
      uv(pa >>> 12);
    }
    if (kind == 2) {
      lastX = va + length;
    } else {
      lastD = va;
    }
    return this;
  }

  private static int lengthCode(int kind, long length) {
    if (kind == 2) {
      return length < 8 ? (int) length : 0;
    }
    return Long.bitCount(length) == 1 && length <= 64 ? Long.numberOfTrailingZeros(length) : 7;
  }

  /** The trace as it is before compression. */
  public byte[] bytes() {
    return out.toByteArray();
  }

  public Path compressTo(Path file) {
    return compress(bytes(), file);
  }

  public static Path compress(byte[] trace, Path file) {
    try {
      return Files.write(file, Zstd.compress(trace));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
