// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

/**
 * The 32 bytes before the first record.
 *
 * @param window whether the file holds single accesses (a window) or the whole run without them
 * @param ramBytes the guest's RAM. Unit: bytes
 * @param startInstruction instructions executed before the first record, 0 in a base file
 */
public record TraceHeader(boolean window, long ramBytes, long startInstruction) {
  static final int BYTES = 32;

  /** {@code X86PTRC1} as a little-endian quadword. */
  private static final long MAGIC = 0x3143_5254_5036_3858L;

  private static final int VERSION = 1;
  private static final int WINDOW = 1;
  private static final long MAX_RAM = 1L << 52;

  static TraceHeader read(TraceInput input) {
    input.require(BYTES);
    long magic = input.le(8);
    long version = input.le(4);
    long flags = input.le(4);
    long ram = input.le(8);
    long start = input.le(8);
    if (magic != MAGIC) {
      input.seek(0);
      throw input.failure("this is no X86PTRC1 trace");
    }
    input.check();
    if (version != VERSION || (flags & ~WINDOW) != 0) {
      throw input.failure("X86PTRC1 version " + version + " with flags " + flags + " is unknown");
    }
    if (ram <= 0 || ram > MAX_RAM || (ram & 0xFFF) != 0 || start < 0) {
      throw input.failure("the header is damaged: RAM " + ram + ", first instruction " + start);
    }
    return new TraceHeader((flags & WINDOW) != 0, ram, start);
  }
}
