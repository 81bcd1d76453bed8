// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Invalidation;
import dev.quire.api.x86.PageEntry;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A guest that does anything a well-behaved kernel may: accesses of every kind, changes of its
 * tables through its own window or by a device, address spaces, PCIDs, control bits. It invalidates
 * what it has changed before it goes on, so that what it sees does not depend on what is cached.
 */
final class RandomProgram {
  private static final int WIDEST = 8;
  private static final long FLAGS =
      PageEntry.RW | PageEntry.US | PageEntry.A | PageEntry.D | PageEntry.PCD;

  private final LockStep worlds;
  private final Guest guest;
  private final SplittableRandom random;
  private final int vcpus;
  private final int[] spaces;
  private final long[] cr0;
  private final long[] cr4;
  private final long toggled;

  /** Of the block that comes next: a block is filled once for each world. */
  private long blockSeed;

  /**
   * A program.
   *
   * @param worlds the guest in both worlds, booted
   * @param seed of everything it does
   */
  RandomProgram(LockStep worlds, long seed) {
    this.worlds = worlds;
    this.guest = worlds.subject().guest();
    this.random = new SplittableRandom(seed);
    this.vcpus = guest.domain().vcpus();
    this.spaces = new int[vcpus];
    this.cr0 = new long[vcpus];
    this.cr4 = new long[vcpus];
    Arrays.fill(cr0, guest.mode().cr0());
    Arrays.fill(cr4, guest.mode().cr4());
    CpuProfile profile = guest.domain().machine().profile();
    this.toggled =
        Cr4.PGE
            | (profile.has(Feature.SMEP) ? Cr4.SMEP : 0)
            | (profile.has(Feature.SMAP) ? Cr4.SMAP : 0);
  }

  /** Does so many things. */
  void steps(int count) {
    for (int i = 0; i < count; i++) {
      step();
    }
  }

  private void step() {
    int vcpu = random.nextInt(vcpus);
    int what = guest.mode().isPaged() ? random.nextInt(16) : 0;
    if (what < 9) {
      blockSeed = random.nextLong();
      worlds.run(vcpu, this::accesses);
    } else if (what < 13) {
      edit(vcpu);
    } else if (what < 15) {
      switchSpace(vcpu);
    } else {
      toggle(vcpu);
    }
  }

  // ---- accesses ----

  private void accesses(OperationBlock block) {
    SplittableRandom same = new SplittableRandom(blockSeed);
    int count = 1 + same.nextInt(4);
    for (int i = 0; i < count; i++) {
      access(block, same);
    }
  }

  private void access(OperationBlock block, SplittableRandom same) {
    List<Slot> slots = guest.slots();
    Slot slot = slots.get(same.nextInt(slots.size()));
    int bytes = 1 << same.nextInt(4);
    long offset = same.nextInt((int) Addresses.PAGE_SIZE / WIDEST) * (long) WIDEST;
    if (same.nextInt(16) == 0) {
      offset = Addresses.PAGE_SIZE - 1; // may cross into the next page
    }
    @Gva long linear = Addresses.advance(slot.linear(), offset);
    boolean user = same.nextBoolean();
    boolean exempt = same.nextBoolean();
    switch (same.nextInt(6)) {
      case 0 -> block.probe(Access.of(0, user, exempt), linear);
      case 1 -> block.probe(Access.of(Access.WRITE, user, exempt), linear);
      case 2 -> block.probe(Access.of(Access.FETCH, user, exempt), linear);
      case 3 -> block.load(Access.of(0, user, exempt), linear, bytes);
      case 4 -> block.store(Access.of(0, user, exempt), linear, bytes, same.nextLong());
      default ->
          block.compareExchange(user, exempt, linear, bytes, same.nextInt(2), same.nextInt(2));
    }
  }

  // ---- tables ----

  private void edit(int vcpu) {
    List<Slot> slots = guest.slots();
    Slot slot = slots.get(random.nextInt(slots.size()));
    int space = random.nextInt(Guest.ROOTS);
    @Gpa long entry = guest.entry(slot, space);
    int bytes = guest.tables().format().entryBytes();
    long value = leaf(slot);
    if (random.nextInt(3) == 0) {
      worlds.deviceStore(entry, bytes, value);
    } else {
      long kernel = Access.of(0, false, false);
      worlds.run(vcpu, block -> block.store(kernel, guest.window(entry), bytes, value));
    }
    for (int each = 0; each < vcpus; each++) {
      invalidate(each, slot, space);
    }
  }

  private long leaf(Slot slot) {
    if (random.nextInt(6) == 0) {
      return random.nextInt(2) == 0 ? 0 : random.nextLong() & 0xffff_fffeL & ~PageEntry.P;
    }
    long frame = guest.frame(slot, random.nextInt());
    long flags = PageEntry.P | random.nextLong() & FLAGS;
    if (random.nextInt(3) > 0) {
      flags |= PageEntry.RW | PageEntry.US; // or hardly any access would be allowed
    }
    if (slot.isShared() && random.nextBoolean()) {
      flags |= PageEntry.G;
    }
    if (guest.tables().format().entryBytes() == 8 && random.nextInt(4) == 0) {
      flags |= PageEntry.NX;
    }
    return guest.leaf(slot, frame, flags);
  }

  /**
   * What a kernel does on each CPU after it has changed an entry. Of a large page every piece may
   * be cached, so the whole space is forgotten.
   */
  private void invalidate(int vcpu, Slot slot, int space) {
    boolean current = spaces[vcpu] == space;
    if (guest.mode().hasPcids()) {
      int type = slot.level() > 1 ? Invalidation.CONTEXT : Invalidation.ADDRESS;
      long packed =
          slot.isShared() ? Invalidation.pack(Invalidation.ALL, 0) : Invalidation.pack(type, space);
      if (slot.isShared() || !current || slot.level() > 1 || random.nextBoolean()) {
        worlds.run(vcpu, block -> block.control(Kind.INVPCID, slot.linear(), packed));
        return;
      }
    }
    if (slot.isShared() || current && slot.level() == 1 && random.nextInt(4) > 0) {
      worlds.run(vcpu, block -> block.control(Kind.INVLPG, slot.linear()));
    } else if (current) {
      worlds.run(vcpu, block -> block.control(Kind.MOV_CR3, cr3(space)));
    }
  }

  private long cr3(int space) {
    return guest.root(space) | (guest.mode().hasPcids() ? space : 0);
  }

  // ---- registers ----

  private void switchSpace(int vcpu) {
    int space = random.nextInt(Guest.ROOTS);
    boolean keep = guest.mode().hasPcids() && random.nextBoolean();
    spaces[vcpu] = space;
    long operand = cr3(space) | (keep ? Cr3.NO_FLUSH : 0);
    worlds.run(vcpu, block -> block.control(Kind.MOV_CR3, operand));
  }

  private void toggle(int vcpu) {
    if (random.nextBoolean()) {
      cr0[vcpu] ^= Cr0.WP;
      worlds.run(vcpu, block -> block.control(Kind.MOV_CR0, cr0[vcpu]));
    } else {
      cr4[vcpu] ^= toggled & random.nextLong();
      worlds.run(vcpu, block -> block.control(Kind.MOV_CR4, cr4[vcpu]));
    }
  }
}
