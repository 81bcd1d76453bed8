// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.hw.ControlRegisterUnit.PdpteSource;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A domain's guest-physical address space, as software sees it: the p2m says what each frame is;
 * where there is none, the frames that the domain was given are its memory and all else is devices.
 */
final class GuestMemory implements FrameMapper, PdpteSource {
  /** What devices read where nothing answers. */
  private static final long NOTHING = -1;

  /** What software can do with a guest frame. */
  enum Kind {
    /** Memory. */
    RAM,
    /** Memory whose writes are thrown away. */
    READ_ONLY,
    /** A device: the null device, which reads all ones and forgets what is written. */
    DEVICE,
    /** Neither: a hole, broken memory, memory that is not there just now. */
    ABSENT
  }

  private final PhysicalMemory memory;
  private final GuestFrames frames;
  private final LongConsumer dirtied;
  private volatile @Nullable P2m p2m;

  /**
   * An address space without a p2m.
   *
   * @param dirtied told of each guest frame that is written
   */
  GuestMemory(PhysicalMemory memory, GuestFrames frames, LongConsumer dirtied) {
    this.memory = memory;
    this.frames = frames;
    this.dirtied = dirtied;
  }

  @Nullable P2m p2m() {
    return p2m;
  }

  void p2m(@Nullable P2m now) {
    p2m = now;
  }

  Kind kind(@Gfn long gfn) {
    P2m map = p2m;
    if (map == null) {
      return frames.toMachine(gfn) == NONE ? Kind.DEVICE : Kind.RAM;
    }
    long entry = map.get(gfn);
    P2mType type = P2mEntry.type(entry);
    if (type == P2mType.MMIO_DM || type == P2mType.MMIO_DIRECT) {
      return Kind.DEVICE;
    }
    if (!P2mEntry.hasFrame(entry) || !type.isAnyRam()) {
      return Kind.ABSENT;
    }
    return type.is(Group.DISCARD_WRITE) ? Kind.READ_ONLY : Kind.RAM;
  }

  @Override
  public @Mfn long toMachine(@Gfn long gfn) {
    P2m map = p2m;
    if (map == null) {
      return frames.toMachine(gfn);
    }
    long entry = map.get(gfn);
    return P2mEntry.hasFrame(entry) && P2mEntry.type(entry).isAnyRam()
        ? P2mEntry.mfn(entry)
        : Addresses.mfn(NONE);
  }

  /** Reads up to 8 bytes within a frame; where there is no memory, ones. */
  long load(@Gpa long gpa, int bytes) {
    @Mfn long mfn = toMachine(Addresses.gpaToGfn(gpa));
    return mfn == NONE
        ? NOTHING >>> Long.SIZE - bytes * Byte.SIZE
        : memory.load(machineAddress(mfn, gpa), bytes);
  }

  /**
   * Writes up to 8 bytes within a frame, unless there is no memory or writes to it are discarded.
   *
   * @return whether anything was written
   */
  boolean store(@Gpa long gpa, int bytes, long value) {
    @Gfn long gfn = Addresses.gpaToGfn(gpa);
    if (kind(gfn) != Kind.RAM) {
      return false;
    }
    memory.store(machineAddress(toMachine(gfn), gpa), bytes, value);
    dirtied.accept(gfn);
    return true;
  }

  /** The same with a whole frame of quadwords. */
  boolean storeFrame(@Gfn long gfn, long[] content) {
    if (kind(gfn) != Kind.RAM) {
      return false;
    }
    @Mfn long mfn = toMachine(gfn);
    for (int i = 0; i < content.length; i++) {
      memory.store(Addresses.mfnToMaddr(mfn, (long) i << 3), Long.BYTES, content[i]);
    }
    dirtied.accept(gfn);
    return true;
  }

  /**
   * Replaces {@code expected} by {@code replacement} within a frame; where writes have no effect,
   * so does this.
   *
   * @return the value before
   */
  long compareExchange(@Gpa long gpa, int bytes, long expected, long replacement) {
    @Gfn long gfn = Addresses.gpaToGfn(gpa);
    if (kind(gfn) != Kind.RAM) {
      return load(gpa, bytes);
    }
    @Maddr long address = machineAddress(toMachine(gfn), gpa);
    long before = memory.compareExchange(address, bytes, expected, replacement);
    dirtied.accept(gfn);
    return before;
  }

  private static @Maddr long machineAddress(@Mfn long mfn, @Gpa long gpa) {
    return Addresses.mfnToMaddr(mfn, Addresses.pageOffset(gpa));
  }

  /** A PDPTE, for register writes that the hypervisor does in the hardware's place. */
  @Override
  public long load(long address) {
    return load(Addresses.gpa(address), Long.BYTES);
  }
}
