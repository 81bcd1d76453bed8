// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.Invalidation;
import dev.quire.launcher.torture.GuestOperation.Kind;
import dev.quire.launcher.torture.GuestProgram.Plan;
import dev.quire.launcher.torture.TortureLayout.Mode;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Makes programs: what a kernel does that is careless of everything. All follows from the seed. A
 * program with {@code exact} invalidates what it may have changed at once, on every vCPU, and keeps
 * to one root for each PCID and to no global pages.
 */
final class ProgramSource {
  private static final Kind[] ACCESSES = {
    Kind.READ,
    Kind.READ,
    Kind.WRITE,
    Kind.WRITE,
    Kind.FETCH,
    Kind.LOAD,
    Kind.LOAD,
    Kind.STORE,
    Kind.STORE,
    Kind.EXCHANGE
  };
  private static final long CR4_TOGGLED =
      Cr4.PSE | Cr4.PGE | Cr4.SMEP | Cr4.SMAP | Cr4.PKE | Cr4.PCIDE;

  private final Plan plan;
  private final SplittableRandom random;
  private final EntrySource entries;
  private final Mode[] modes;
  private final long[] cr0;
  private final long[] cr4;
  private final long[] efer;
  private final long[] cr3;
  private List<GuestOperation> program = new ArrayList<>();

  /** Where a table was written last: what will often be invalidated. */
  private long changedAt;

  /** Whether 2-level paging is among the modes. */
  private boolean mixed;

  ProgramSource(Plan plan, long seed) {
    this.plan = plan;
    random = new SplittableRandom(seed);
    entries = new EntrySource(random);
    modes = new Mode[plan.vcpus()];
    cr0 = new long[plan.vcpus()];
    cr4 = new long[plan.vcpus()];
    efer = new long[plan.vcpus()];
    cr3 = new long[plan.vcpus()];
  }

  /**
   * A program from reset.
   *
   * @param count how many operations
   */
  List<GuestOperation> next(int count) {
    program = new ArrayList<>();
    mixed = random.nextBoolean();
    entries.begin(mixed);
    Mode common = anyMode();
    for (int vcpu = 0; vcpu < plan.vcpus(); vcpu++) {
      efer[vcpu] = 0;
      cr4[vcpu] = 0;
      modes[vcpu] = Mode.UNPAGED;
      control(vcpu, Kind.CR0, Cr0.PE);
      enter(vcpu, random.nextInt(3) > 0 ? common : anyMode());
    }
    while (program.size() < count) {
      step(random.nextInt(plan.vcpus()));
    }
    return program.subList(0, count);
  }

  private void step(int vcpu) {
    int what = random.nextInt(200);
    if (what < 110) {
      access(vcpu);
    } else if (what < 150) {
      writeTable(vcpu);
    } else if (what < 178) {
      invalidate(vcpu);
    } else if (what < 190) {
      loadRoot(vcpu);
    } else if (what < 198) {
      toggle(vcpu);
    } else if (what < 199) {
      mode(vcpu);
    } else {
      control(vcpu, Kind.PKRU, random.nextInt() & 0xffffffffL);
    }
  }

  private void add(GuestOperation operation) {
    program.add(operation);
    if (plan.exact() && operation.kind().stores()) {
      for (int vcpu = 0; vcpu < plan.vcpus(); vcpu++) {
        long all = Invalidation.pack(Invalidation.ALL, 0);
        program.add(GuestOperation.control(vcpu, Kind.INVPCID, 0, all));
      }
    }
  }

  private void control(int vcpu, Kind kind, long operand) {
    add(GuestOperation.control(vcpu, kind, operand, 0));
  }

  // ---- accesses ----

  private void access(int vcpu) {
    Kind kind = ACCESSES[random.nextInt(ACCESSES.length)];
    long linear = linear(vcpu) + entries.offset();
    int bytes = kind.hasSize() ? 1 << random.nextInt(4) : 0;
    long value = entries.bytes(modes[vcpu], linear);
    add(
        GuestOperation.access(
            vcpu,
            kind,
            privilege(),
            bytes,
            linear,
            kind == Kind.EXCHANGE ? entries.lastValue() : value,
            value));
  }

  private long privilege() {
    return Access.of(0, random.nextInt(3) == 0, random.nextBoolean());
  }

  private long linear(int vcpu) {
    return modes[vcpu].isPaged()
        ? entries.linear(modes[vcpu])
        : (long) random.nextInt(TortureLayout.WINDOW_FRAMES) << 12;
  }

  // ---- tables ----

  private void writeTable(int vcpu) {
    Mode mode = modes[vcpu].isPaged() && random.nextInt(10) > 0 ? modes[vcpu] : anyMode();
    entries.chooseEntry(mode);
    int way = random.nextInt(10);
    if (way == 0) {
      entries.wholly();
    }
    int bytes = entries.width();
    long gpa = entries.place();
    long value = entries.value();
    changedAt = entries.linear(mode);
    if (way == 0) {
      add(GuestOperation.device(bytes, gpa, value));
    } else {
      long linear = modes[vcpu].isPaged() ? entries.window(modes[vcpu], gpa, way < 7) : gpa;
      Kind kind = way == 9 ? Kind.EXCHANGE : Kind.STORE;
      long first = kind == Kind.EXCHANGE ? entries.lastValue() : value;
      add(
          GuestOperation.access(
              vcpu, kind, random.nextInt(8) == 0 ? privilege() : 0, bytes, linear, first, value));
    }
  }

  private Mode anyMode() {
    return Mode.all().get(mixed ? 1 + random.nextInt(4) : 2 + random.nextInt(3));
  }

  // ---- invalidations ----

  private void invalidate(int vcpu) {
    long linear = random.nextInt(3) == 0 ? changedAt : linear(vcpu);
    if (random.nextInt(3) > 0) {
      control(vcpu, Kind.INVLPG, linear);
      return;
    }
    int pcid = (cr4[vcpu] & Cr4.PCIDE) != 0 ? random.nextInt(4) : 0;
    long packed = Invalidation.pack(random.nextInt(40) == 0 ? 4 : random.nextInt(4), pcid);
    add(GuestOperation.control(vcpu, Kind.INVPCID, linear, packed));
  }

  private void loadRoot(int vcpu) {
    int root = random.nextInt(2);
    long operand = modes[vcpu].root(root);
    if ((cr4[vcpu] & Cr4.PCIDE) != 0) {
      operand |= plan.exact() ? root + 1 : random.nextInt(4);
      operand |= random.nextBoolean() ? Cr3.NO_FLUSH : 0;
    }
    cr3[vcpu] = operand & ~Cr3.NO_FLUSH;
    control(vcpu, Kind.CR3, operand);
  }

  // ---- registers ----

  private void toggle(int vcpu) {
    switch (random.nextInt(5)) {
      case 0, 1 -> {
        cr0[vcpu] ^= Cr0.WP;
        control(vcpu, Kind.CR0, cr0[vcpu]);
      }
      case 2 -> {
        efer[vcpu] ^= Efer.NXE;
        control(vcpu, Kind.EFER, efer[vcpu]);
      }
      default -> toggleCr4(vcpu);
    }
  }

  private void toggleCr4(int vcpu) {
    long bit = Long.highestOneBit(CR4_TOGGLED & (1L << 4 + random.nextInt(19)) * 2 - 1);
    if (plan.exact() && bit == Cr4.PGE) {
      return;
    }
    if (bit == Cr4.PCIDE) {
      if (!modes[vcpu].format().isLongMode()) {
        return;
      }
      if ((cr4[vcpu] & Cr4.PCIDE) == 0) { // with another PCID than 0 it would be refused
        cr3[vcpu] &= ~Cr3.PCID;
        control(vcpu, Kind.CR3, cr3[vcpu]);
      }
    }
    cr4[vcpu] ^= bit;
    control(vcpu, Kind.CR4, cr4[vcpu]);
    if (plan.exact() && bit == Cr4.PCIDE) {
      long all = Invalidation.pack(Invalidation.ALL, 0);
      add(GuestOperation.control(vcpu, Kind.INVPCID, 0, all));
    }
  }

  // ---- modes ----

  private void mode(int vcpu) {
    if (modes[vcpu].isPaged()) {
      leave(vcpu);
    }
    for (int i = random.nextInt(8); i > 0; i--) {
      if (random.nextBoolean()) {
        access(vcpu);
      } else {
        writeTable(vcpu);
      }
    }
    enter(vcpu, anyMode());
  }

  private void leave(int vcpu) {
    if ((cr4[vcpu] & Cr4.PCIDE) != 0) {
      cr4[vcpu] &= ~Cr4.PCIDE;
      control(vcpu, Kind.CR4, cr4[vcpu]);
    }
    cr0[vcpu] &= ~Cr0.PG;
    control(vcpu, Kind.CR0, cr0[vcpu]);
    modes[vcpu] = Mode.UNPAGED;
  }

  /** From paging off into a mode, as kernels do it (SDM vol. 3, 10.8.5). */
  private void enter(int vcpu, Mode mode) {
    if (mode == Mode.PAE) { // or it would be refused if anything else was written there
      for (int i = 0; i < 8; i++) {
        long gpa = ((long) TortureLayout.PAE_ROOT << 12) + i * 8L;
        long value = TortureLayout.pdpte(mode.tables(2)[random.nextInt(2)]);
        add(GuestOperation.access(vcpu, Kind.STORE, 0, 8, gpa, value, 0));
      }
    }
    int root = random.nextInt(2);
    modes[vcpu] = mode;
    cr0[vcpu] = mode.cr0();
    cr4[vcpu] = mode.cr4();
    efer[vcpu] = mode.efer();
    cr3[vcpu] = mode.root(root);
    control(vcpu, Kind.CR4, cr4[vcpu]);
    control(vcpu, Kind.CR3, cr3[vcpu]);
    control(vcpu, Kind.EFER, efer[vcpu]);
    control(vcpu, Kind.CR0, cr0[vcpu]);
  }
}
