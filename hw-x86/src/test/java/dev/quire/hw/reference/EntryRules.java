// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;

/** SDM vol. 3, 4.3 to 4.5, tables 4-4 to 4-20; APM vol. 2, 5.3: one entry by itself. */
final class EntryRules {
  private final CpuProfile cpu;
  private final Registers registers;
  private final Shape shape;

  EntryRules(CpuProfile cpu, Registers registers, Shape shape) {
    this.cpu = cpu;
    this.registers = registers;
    this.shape = shape;
  }

  /** Bits high to low, both included; none if high is less than low. */
  static long bits(int high, int low) {
    long mask = 0;
    for (int bit = low; bit <= high; bit++) {
      mask |= 1L << bit;
    }
    return mask;
  }

  static boolean isPresent(long entry) {
    return (entry & 1) != 0;
  }

  boolean mapsPage(long entry, int level) {
    boolean ps = (entry & 1 << 7) != 0;
    if (level == 1) {
      return true;
    }
    if (shape.levels() == 2) {
      return ps && (registers.cr4 & Cr4.PSE) != 0;
    }
    return ps && (level == 2 || level == 3 && shape.isLong() && cpu.has(Feature.PAGE_1G));
  }

  long reserved(long entry, int level) {
    if (shape.levels() == 2) {
      return mapsPage(entry, level) && level == 2 ? reservedIn4M() : 0;
    }
    long reserved = bits(51, cpu.physicalBits());
    if ((registers.efer & Efer.NXE) == 0) {
      reserved |= bits(63, 63);
    }
    if (shape.levels() == 3) {
      reserved |= bits(62, 52);
    }
    if (level > 1 && mapsPage(entry, level)) {
      reserved |= bits(shape.shift(level) - 1, 13);
    }
    if (level > 2 && shape.isLong() && !mapsPage(entry, level)) {
      reserved |= bits(7, 7);
    }
    if (level > 3 && cpu.vendor() == Vendor.AMD) {
      reserved |= bits(8, 8);
    }
    return reserved;
  }

  private long reservedIn4M() {
    if (!cpu.has(Feature.PSE36)) {
      return bits(shape.shift(2) - 1, 13);
    }
    int addressBits = Math.min(40, cpu.physicalBits());
    return bits(21, addressBits - 19);
  }

  /** Where the page begins that an entry maps. */
  long frame(long entry, int level) {
    int low = shape.shift(level);
    if (shape.levels() != 2) {
      return entry & bits(51, low);
    }
    long frame = entry & bits(31, low);
    if (level == 2 && cpu.has(Feature.PSE36)) {
      frame += ((entry & bits(20, 13)) >>> 13) * (1L << 32);
    }
    return frame;
  }

  /** Where the table begins that an entry refers to. */
  long table(long entry) {
    return entry & bits(shape.levels() == 2 ? 31 : 51, 12);
  }

  boolean isExecutable(long entry) {
    return shape.levels() == 2 || (entry & bits(63, 63)) == 0;
  }

  boolean isGlobal(long entry) {
    return (registers.cr4 & Cr4.PGE) != 0 && (entry & bits(8, 8)) != 0;
  }

  int key(long entry) {
    return shape.isLong() ? (int) (entry >>> 59) & 15 : 0;
  }
}
