// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Translation;

/**
 * Reads and writes what a hypercall points to ({@code copy_from_guest}, {@code copy_to_guest}):
 * through the guest's own tables, with the guest's own rights, and never the hypervisor's part of
 * the address space, wherever in a buffer it begins (XSA-29, XSA-212).
 */
final class GuestCopy {
  private static final long LOWER_END = 1L << 47;

  private static final long LOW_WORD = 0xffffffffL;
  private static final long READ = Access.of(0, false, false);
  private static final long WRITE = Access.of(Access.WRITE, false, false);
  private static final long FAILED = -1;

  private final Vcpu vcpu;
  private final PhysicalMemory memory;
  private final GuestWrites writes;
  private final TableFormat format;

  GuestCopy(Vcpu vcpu, GuestWrites writes, TableFormat format) {
    this.format = format;
    this.vcpu = vcpu;
    this.writes = writes;
    memory = vcpu.domain().machine().memory();
  }

  /** Whether an address is canonical and the guest's ({@code __addr_ok}). */
  boolean isGuests(@Gva long linear) {
    return format.isGuests(linear);
  }

  /**
   * Whether the part of a list of quadwords from one to before another is the guest's ({@code
   * guest_handle_subrange_okay}); whether it can be reached shows when it is.
   */
  boolean isList(long list, long from, long end) {
    return from >= end
        || Long.compareUnsigned(end, LOWER_END) < 0
            && isGuests(Addresses.gva(list + from * Long.BYTES))
            && isGuests(Addresses.gva(list + end * Long.BYTES - 1))
            && list + from * Long.BYTES >>> 63 == list + end * Long.BYTES - 1 >>> 63;
  }

  /**
   * Reads quadwords.
   *
   * @param from where they are, at any alignment
   * @return false if one cannot be read; then what is in {@code into} means nothing
   */
  boolean read(@Gva long from, int count, long[] into) {
    for (int i = 0; i < count; i++) {
      @Gva long at = Addresses.advance(from, (long) i * Long.BYTES);
      long place =
          Addresses.pageOffset(at) <= Addresses.PAGE_SIZE - Long.BYTES ? reach(at, READ) : -2;
      if (place == FAILED) {
        return false;
      }
      if (place >= 0) {
        int more =
            (int) Math.min(count - i, (Addresses.PAGE_SIZE - Addresses.pageOffset(at)) >>> 3);
        for (int k = 0; k < more; k++) {
          into[i + k] = memory.load(Addresses.maddr(place + (long) k * Long.BYTES), Long.BYTES);
        }
        i += more - 1;
      } else if (!readAcross(at, into, i)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Reads 4-byte words.
   *
   * @return false if one cannot be read; then what is in {@code into} means nothing
   */
  boolean readWords(@Gva long from, int count, long[] into) {
    for (int i = 0; i < count; i++) {
      @Gva long at = Addresses.advance(from, (long) i * Integer.BYTES);
      long place = (at & 3) == 0 ? reach(at, READ) : FAILED; // guests align them
      if (place == FAILED) {
        return false;
      }
      into[i] = memory.load(Addresses.maddr(place), Integer.BYTES) & LOW_WORD;
    }
    return true;
  }

  /** A quadword that lies on two pages. */
  private boolean readAcross(@Gva long at, long[] into, int index) {
    long value = 0;
    for (int i = 0; i < Long.BYTES; i++) {
      long place = reach(Addresses.advance(at, i), READ);
      if (place == FAILED) {
        return false;
      }
      value |= memory.load(Addresses.maddr(place), 1) << Byte.SIZE * i;
    }
    into[index] = value;
    return true;
  }

  /**
   * Writes up to 8 bytes.
   *
   * @return false if they cannot all be written; nothing was then
   */
  boolean write(@Gva long to, int bytes, long value) {
    @Gva long last = Addresses.advance(to, bytes - 1);
    long first = reach(to, WRITE);
    long end = reach(last, WRITE);
    if (first == FAILED || end == FAILED) {
      return false;
    }
    if (end - first == bytes - 1 && (first ^ end) >>> Addresses.PAGE_SHIFT == 0) {
      writes.store(Addresses.maddr(first), bytes, value);
      return true;
    }
    for (int i = 0; i < bytes; i++) {
      @Gva long at = Addresses.advance(to, i);
      writes.store(Addresses.maddr(reach(at, WRITE)), 1, value >>> Byte.SIZE * i);
    }
    return true;
  }

  /** The machine address behind a linear one, or FAILED. */
  private @Maddr long reach(@Gva long at, long access) {
    if (!isGuests(at)) {
      return Addresses.maddr(FAILED);
    }
    long found = vcpu.translate(at, access, null);
    return Addresses.maddr(
        Translation.isFault(found) ? FAILED : Translation.address(found, at, Addresses.PAGE_SHIFT));
  }
}
