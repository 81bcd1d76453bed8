// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The machine's memory: sparse, up to 2^52 bytes, little-endian, zero until written. Safe for use
 * by several CPUs at once: aligned accesses of up to 8 bytes are single-copy atomic.
 *
 * <p>A frame is an array of 512 longs. It is made at the first write and is that frame's home for
 * good, so holders of the array may keep it.
 *
 * <p>Addresses outside RAM belong to devices: reads give all ones, writes vanish (the null device).
 */
@ProviderType
public interface PhysicalMemory {
  /** Longs in a frame. */
  int FRAME_LONGS = 512;

  /** The ranges of RAM, ascending. */
  List<MachineSpec.Ram> ram();

  /** Whether the byte at {@code address} is RAM. */
  boolean isRam(@Maddr long address);

  /**
   * The frame to write to: its home, made if need be.
   *
   * @throws IllegalArgumentException if the frame is not RAM
   */
  long[] frame(@Mfn long mfn);

  /**
   * The frame to read: its home, or an array of zeros (of ones, outside RAM) that nobody may write
   * to and that is not the frame's home.
   */
  long[] frameToRead(@Mfn long mfn);

  /** Whether the frame has a home: whether anybody ever wrote to it. */
  boolean isHome(@Mfn long mfn);

  /**
   * Reads up to 8 bytes that lie in one frame, at any alignment.
   *
   * @param bytes 1, 2, 4 or 8
   * @return the value, zero-extended
   */
  long load(@Maddr long address, int bytes);

  /** Writes up to 8 bytes that lie in one frame, at any alignment. */
  void store(@Maddr long address, int bytes, long value);

  /**
   * Replaces {@code expected} by {@code replacement}, atomically when the bytes lie in one aligned
   * quadword.
   *
   * @return the value before; the exchange happened if it equals {@code expected}
   */
  long compareExchange(@Maddr long address, int bytes, long expected, long replacement);

  /** How many frames have a home. */
  long framesInUse();
}
