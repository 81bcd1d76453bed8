// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import dev.quire.paging.shadow.ShadowOptions.Sync;
import java.util.Arrays;
import java.util.List;
import java.util.ServiceLoader;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A guest of few frames, each of which may be a table of any level at any time, on the bare machine
 * and under shadow paging. Every operation is done on both and compared: the outcome, all of memory
 * if no TLB may explain a difference in A and D, and the audit.
 */
final class LockStep {
  static final int FRAMES = 20;
  private static final int ENTRIES = 4;

  /**
   * Entries of 8 bytes lead to the frames before this one, those of 4 to the frames from NARROW.
   */
  private static final int WIDE = 14;

  private static final int NARROW = 8;
  private static final long CR4 = Cr4.SMEP | Cr4.SMAP | Cr4.PKE | Cr4.PKS | Cr4.PSE | Cr4.PGE;
  static final MachineFactory MACHINES =
      ServiceLoader.load(MachineFactory.class).findFirst().orElseThrow();

  final ShadowedGuest shadowed;
  final BareGuest bare;
  private final SplittableRandom random;
  private final boolean caching;
  private final boolean outOfSync;
  private final int vcpus;
  private final int[] levels;
  private final OperationBlock ours = new OperationBlock(1);
  private final OperationBlock theirs = new OperationBlock(1);
  private final long[] hot = new long[6];
  int succeeded;

  /** Whether the guest invalidates each address that it can use, instead of loading CR3. */
  boolean byAddress;

  /** Is not 0 if any table ever was out of sync. */
  long unsyncs;

  private final StringBuilder story = new StringBuilder();

  LockStep(long seed, int vcpus, int pool, @Nullable TlbGeometry tlb) {
    this(seed, vcpus, pool, tlb, new ShadowOptions(Sync.NEVER, false, true));
  }

  LockStep(long seed, int vcpus, int pool, @Nullable TlbGeometry tlb, ShadowOptions options) {
    outOfSync = options.sync() != Sync.NEVER;
    this.random = new SplittableRandom(seed);
    this.vcpus = vcpus;
    this.caching = tlb != null;
    CpuProfile profile = CpuProfile.full(Vendor.INTEL, 40);
    MachineSpec small = MachineSpec.bare(profile).withRam(List.of(new Ram(0, (long) FRAMES << 12)));
    bare = new BareGuest(MACHINES.create(small), vcpus);
    long ram = 0x100 + FRAMES * 2 + pool;
    MachineSpec large =
        MachineSpec.bare(profile)
            .withCpus(vcpus)
            .withTlb(tlb)
            .withRam(List.of(new Ram(0, ram << 12)));
    long[] mfns = new long[FRAMES];
    for (int i = 0; i < FRAMES; i++) {
      mfns[i] = 0x100 + (i * 7L + 3) % FRAMES * 2;
    }
    Machine machine = MACHINES.create(large);
    FakePool frames = new FakePool(machine.memory(), 0x100 + FRAMES * 2, pool);
    shadowed = new ShadowedGuest(machine, mfns, frames, vcpus, options);
    levels = new int[vcpus];
    for (int gfn = 0; gfn < FRAMES; gfn++) {
      for (int i = 0; i < ENTRIES; i++) {
        device((long) gfn << 12 | 8 * i, 8, entry(gfn >= (WIDE + NARROW) / 2));
      }
    }
    for (int i = 0; i < vcpus; i++) {
      switchMode(i);
    }
  }

  /** One step of a random program. */
  void step() {
    int vcpu = random.nextInt(vcpus);
    int choice = random.nextInt(100);
    if (choice < 45) {
      long flags = flags();
      long linear = linear(vcpu);
      operate(vcpu, block -> block.probe(flags, Addresses.gva(linear)));
    } else if (choice < 80) {
      data(vcpu);
    } else if (choice < 82) {
      behindTheGuestsBack();
    } else if (choice < 89) {
      int gfn = random.nextInt(FRAMES);
      boolean pair = gfn >= (WIDE + NARROW) / 2;
      device((long) gfn << 12 | 8L * random.nextInt(ENTRIES), 8, entry(pair));
      invalidateAll();
    } else if (choice < 92) {
      invalidate(vcpu, linear(vcpu));
    } else if (choice < 98) {
      toggle(vcpu);
    } else {
      switchMode(vcpu);
    }
    check();
  }

  // ---- operations ----

  private void operate(int vcpu, Consumer<OperationBlock> add) {
    ours.clear();
    theirs.clear();
    ours.results()[0] = 0;
    theirs.results()[0] = 0;
    add.accept(ours);
    add.accept(theirs);
    if (shadowed.leavesMemory(vcpu, ours)) {
      return; // a bare machine reads ones there, a hypervisor cannot walk on
    }
    Outcome expected = bare.run(vcpu, theirs);
    tell("vCPU %d (%d levels) 0x%x %s", vcpu, levels[vcpu], ours.operations()[0], expected);
    Outcome actual = shadowed.run(vcpu, ours);
    long gpa = expected.gpa();
    if (gpa >>> 12 >= FRAMES && actual.succeeded()) {
      actual = Outcome.done(gpa, actual.result()); // a device: where is not ours to say
    }
    assertThat(actual).as(this::story).isEqualTo(expected);
    if (expected.succeeded()) {
      succeeded++;
      checkLogged(gpa);
      hot[random.nextInt(hot.length)] = linearOf(theirs);
    }
  }

  private void checkLogged(long gpa) {
    boolean write = (ShadowedGuest.access(ours) & Access.WRITE) != 0;
    if (shadowed.logging && write && gpa >>> 12 < FRAMES) {
      assertThat(shadowed.dirty).as(this::story).contains(gpa >>> 12);
    }
  }

  private void data(int vcpu) {
    int bytes = 1 << random.nextInt(4);
    long linear = linear(vcpu) + (random.nextInt(4) == 0 ? random.nextInt(8) : 0) & -1;
    boolean user = random.nextInt(3) == 0;
    boolean ac = random.nextBoolean();
    long value = random.nextInt(4) == 0 ? 0 : bytes == 4 ? (int) entry() : entry();
    int kind = random.nextInt(5);
    if (kind == 0) {
      operate(vcpu, b -> b.load(Access.of(0, user, ac), Addresses.gva(linear), bytes));
    } else if (kind < 4) {
      operate(vcpu, b -> b.store(Access.of(0, user, ac), Addresses.gva(linear), bytes, value));
    } else {
      long expected = random.nextInt(3) == 0 ? random.nextInt() : guess(linear);
      operate(
          vcpu, b -> b.compareExchange(user, ac, Addresses.gva(linear), bytes, expected, value));
    }
    invalidateAll();
  }

  /**
   * What a toolstack does: frames move, writes are logged or no longer, backends begin anew; and
   * hints.
   */
  private void behindTheGuestsBack() {
    int gfn = random.nextInt(FRAMES);
    switch (random.nextInt(5)) {
      case 0, 1 -> move(gfn);
      case 3 -> {
        int vcpu = random.nextInt(vcpus);
        tell("vCPU %d: the process of root 0x%x ends", vcpu, (long) gfn << 12);
        shadowed.processEnds(vcpu, (long) gfn << 12);
      }
      case 2 -> shadowed.log(!shadowed.logging);
      default -> {
        shadowed.shadow.detach();
        assertThat(shadowed.pool.used()).as("frames that a dropped backend keeps").isZero();
        shadowed.attach();
      }
    }
  }

  private void move(int gfn) {
    long from = P2mEntry.mfn(shadowed.p2m[gfn]);
    long to = from ^ 1;
    tell("gfn 0x%x moves to mfn 0x%x", gfn, to);
    long[] content = shadowed.memory.frameToRead(Addresses.mfn(from)).clone();
    System.arraycopy(content, 0, shadowed.memory.frame(Addresses.mfn(to)), 0, content.length);
    shadowed.set(gfn, P2mEntry.of(Addresses.mfn(to), P2mType.RAM_RW, P2mAccess.RWX, 0));
    Arrays.fill(shadowed.memory.frame(Addresses.mfn(from)), -1); // who still uses it is found out
  }

  private long guess(long linear) {
    return shadowed.load((linear >>> 12) % FRAMES << 12 | linear & 0xff8, 8);
  }

  private void invalidate(int vcpu, long linear) {
    tell("vCPU %d INVLPG 0x%x", vcpu, linear);
    shadowed.invalidate(vcpu, linear);
  }

  /**
   * What an operating system does after it changed tables, for as long as it remembers which. Until
   * then tables may be out of sync, which is a good moment to disturb.
   */
  private void invalidateAll() {
    if (outOfSync) {
      assertThat(shadowed.shadow.audit()).as(this::story).isEmpty();
      unsyncs += shadowed.shadow.statistics().getOrDefault("unsyncs", 0L);
      if (random.nextInt(8) == 0) {
        behindTheGuestsBack();
        assertThat(shadowed.shadow.audit()).as(this::story).isEmpty();
      }
      for (int i = 0; i < vcpus; i++) {
        if (byAddress) {
          shadowed.invalidateEvery(i, FRAMES, ENTRIES);
        } else {
          shadowed.reload(i);
        }
      }
    }
    if (caching) {
      for (int i = 0; i < vcpus; i++) {
        shadowed.cpu(i).flush();
      }
    }
  }

  private void device(long gpa, int bytes, long value) {
    tell("device 0x%x = 0x%x", gpa, value);
    bare.machine.memory().store(Addresses.maddr(gpa), bytes, value);
    shadowed.device(gpa, bytes, value);
  }

  // ---- registers ----

  private void toggle(int vcpu) {
    Registers registers = shadowed.registers[vcpu];
    switch (random.nextInt(4)) {
      case 0 -> registers.cr0 ^= Cr0.WP;
      case 1 -> registers.efer ^= Efer.NXE;
      case 2 -> registers.cr4 ^= random.nextLong() & CR4;
      default -> registers.pkru = random.nextInt() & 0xf;
    }
    shadowed.controls[vcpu].registers().pkru = registers.pkru;
    given(vcpu);
  }

  private void switchMode(int vcpu) {
    Registers registers = shadowed.registers[vcpu];
    levels[vcpu] = 1 + random.nextInt(5);
    int level = levels[vcpu];
    registers.cr0 = Cr0.ET | Cr0.PE | registers.cr0 & Cr0.WP | (level > 1 ? Cr0.PG : 0);
    registers.cr4 = registers.cr4 & CR4 | (level > 2 ? Cr4.PAE : 0) | (level == 5 ? Cr4.LA57 : 0);
    registers.efer = registers.efer & Efer.NXE | (level > 3 ? Efer.LMA | Efer.LME : 0);
    int first = level == 2 ? NARROW : 0;
    int end = level == 2 ? FRAMES : WIDE;
    registers.cr3 = (long) (first + random.nextInt(end - first)) << 12;
    Arrays.fill(hot, 0);
    for (int i = 0; i < 4; i++) {
      registers.pdptes[i] = (long) random.nextInt(WIDE) << 12 | random.nextInt(8) / 7 ^ 1;
    }
    given(vcpu);
  }

  private void given(int vcpu) {
    Registers r = shadowed.registers[vcpu];
    tell("vCPU %d: cr0 %x cr3 %x cr4 %x efer %x", vcpu, r.cr0, r.cr3, r.cr4, r.efer);
    bare.set(vcpu, r);
    shadowed.update(vcpu);
  }

  // ---- random values ----

  private static long linearOf(OperationBlock block) {
    long word = block.operations()[0];
    return Operation.isControl(word) ? block.moreOperands()[0] : Operation.linear(word);
  }

  private long flags() {
    int kind = random.nextInt(10);
    long word = kind < 4 ? 0 : kind < 7 ? Access.WRITE : Access.FETCH;
    return Access.of(word, random.nextInt(3) == 0, random.nextBoolean());
  }

  /** Often an address that led somewhere before. */
  private long linear(int vcpu) {
    long known = hot[random.nextInt(hot.length)];
    if (known != 0 && random.nextInt(3) != 0) {
      return known & -4096 | offset();
    }
    return anyLinear(vcpu);
  }

  private long offset() {
    return random.nextInt(4) == 0 ? 4096 - 1 - random.nextInt(8) : 8 * random.nextInt(ENTRIES);
  }

  private long anyLinear(int vcpu) {
    long offset = offset();
    if (levels[vcpu] == 1) {
      return (long) random.nextInt(FRAMES + 1) << 12 | offset;
    }
    long linear = offset;
    int width = levels[vcpu] == 2 ? 10 : 9;
    for (int level = 1; level <= levels[vcpu]; level++) {
      linear |= (long) random.nextInt(ENTRIES) << 12 + width * (level - 1);
    }
    return linear;
  }

  private long entry() {
    return entry(random.nextBoolean());
  }

  /** One entry of 8 bytes, or two of a 2-level table; most of them well formed. */
  private long entry(boolean pair) {
    if (random.nextInt(20) == 0) {
      return 0;
    }
    if (pair) {
      return narrow() | narrow() << 32;
    }
    long low = (long) random.nextInt(WIDE) << 12 | flagBits();
    long nx = random.nextInt(8) == 0 ? PageEntry.NX : 0;
    long key = random.nextInt(6) == 0 ? (long) random.nextInt(2) << PageEntry.KEY_SHIFT : 0;
    long reserved = random.nextInt(50) == 0 ? 1L << 45 : 0;
    boolean large = (low & PageEntry.PS) != 0 && random.nextInt(8) != 0;
    return (large ? low & ~0xff000 : low) | nx | key | reserved;
  }

  private long narrow() {
    long low = (long) (NARROW + random.nextInt(FRAMES - NARROW)) << 12 | flagBits();
    return (low & PageEntry.PS) != 0 ? low & ~0xff000 : low;
  }

  private long flagBits() {
    long bits = PageEntry.P | PageEntry.RW | PageEntry.US;
    bits ^= random.nextInt(8) == 0 ? random.nextInt(8) : 0;
    bits |= random.nextInt(12) == 0 ? PageEntry.PS : 0;
    return bits | random.nextInt(4) << 5 | (random.nextInt(8) == 0 ? PageEntry.G : 0);
  }

  // ---- comparison ----

  private void check() {
    assertThat(shadowed.shadow.audit()).as(this::story).isEmpty();
    if (caching) {
      return;
    }
    for (int gfn = 0; gfn < FRAMES; gfn++) {
      long[] expected = bare.machine.memory().frameToRead(Addresses.mfn(gfn));
      long[] actual = shadowed.memory.frameToRead(P2mEntry.mfn(shadowed.p2m[gfn]));
      int at = Arrays.mismatch(expected, actual);
      if (at >= 0) {
        assertThat(Long.toHexString(actual[at]))
            .as("memory at 0x%x\n%s", (long) gfn << 12 | 8 * at, story())
            .isEqualTo(Long.toHexString(expected[at]));
      }
    }
  }

  private void tell(String format, Object... values) {
    story.append(String.format(format, values)).append('\n');
    if (story.length() > 4000) {
      story.delete(0, 2000);
    }
  }

  private String story() {
    return story.toString();
  }
}
