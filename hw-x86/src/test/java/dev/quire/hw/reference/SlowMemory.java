// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.MachineSpec.Ram;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Memory as a map from the address of a quadword to its value. */
public final class SlowMemory implements Memory {
  private final List<Ram> ranges;
  private final Map<Long, Long> quadwords = new HashMap<>();

  public SlowMemory(List<Ram> ranges) {
    this.ranges = List.copyOf(ranges);
  }

  public boolean isRam(long address) {
    return ranges.stream().anyMatch(r -> address >= r.start() && address - r.start() < r.length());
  }

  /** One byte; all ones outside RAM. */
  public int readByte(long address) {
    if (!isRam(address)) {
      return 0xff;
    }
    long word = quadwords.getOrDefault(address & -8L, 0L);
    return (int) (word >>> 8 * (address & 7)) & 0xff;
  }

  /** One byte; nothing happens outside RAM. */
  public void writeByte(long address, int value) {
    if (isRam(address)) {
      int shift = 8 * (int) (address & 7);
      long before = quadwords.getOrDefault(address & -8L, 0L);
      quadwords.put(address & -8L, before & ~(0xffL << shift) | (value & 0xffL) << shift);
    }
  }

  @Override
  public long read(long address, int bytes) {
    if (bytes == 8 && (address & 7) == 0) { // only for speed
      return isRam(address) ? quadwords.getOrDefault(address, 0L) : -1;
    }
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= (long) readByte(address + i) << 8 * i;
    }
    return value;
  }

  public void write(long address, int bytes, long value) {
    for (int i = 0; i < bytes; i++) {
      writeByte(address + i, (int) (value >>> 8 * i));
    }
  }

  /** What was ever written, by the address of the quadword. */
  public Map<Long, Long> contents() {
    return quadwords;
  }
}
