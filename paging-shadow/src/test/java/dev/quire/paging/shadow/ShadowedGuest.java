// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.withSettings;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.LogDirty;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import java.util.HashSet;
import java.util.Set;
import org.mockito.invocation.InvocationOnMock;

/**
 * Shadow paging over a real machine, with a p2m that is an array and an exit loop that does one
 * operation at a time: no hypervisor, so that a test can look between any two steps.
 */
final class ShadowedGuest {
  final Machine machine;
  final PhysicalMemory memory;
  final FakePool pool;
  final long[] p2m;
  final Registers[] registers;
  final ControlBlock[] controls;
  ShadowDomain shadow;
  final ShadowMode[] modes;
  final Set<Long> dirty = new HashSet<>();
  boolean logging;
  int emulated;

  private final ShadowOptions options;

  ShadowedGuest(Machine machine, long[] mfns, FakePool pool, int vcpus, ShadowOptions options) {
    this.options = options;
    this.machine = machine;
    this.memory = machine.memory();
    this.pool = pool;
    this.p2m = new long[mfns.length];
    for (int i = 0; i < mfns.length; i++) {
      p2m[i] = P2mEntry.of(Addresses.mfn(mfns[i]), P2mType.RAM_RW, P2mAccess.RWX, 0);
    }
    registers = new Registers[vcpus];
    controls = new ControlBlock[vcpus];
    Domain domain = mock(Domain.class, withSettings().stubOnly().defaultAnswer(this::ofDomain));
    this.domain = domain;
    for (int i = 0; i < vcpus; i++) {
      registers[i] = new Registers();
      controls[i] = new ControlBlock();
      controls[i].tag(i + 1);
      int number = i;
      all[i] =
          mock(Vcpu.class, withSettings().stubOnly().defaultAnswer(call -> ofVcpu(call, number)));
    }
    modes = new ShadowMode[vcpus];
    shadow = attach();
  }

  /** Gives the domain to shadow paging that knows nothing of it. */
  ShadowDomain attach() {
    shadow = new ShadowDomain(domain, options, new TranslatedFrames(domain));
    if (logging) {
      shadow.enableLogDirty();
    }
    for (int i = 0; i < modes.length; i++) {
      modes[i] = (ShadowMode) shadow.updatePagingModes(all[i]);
      cpu(i).flush();
    }
    return shadow;
  }

  private final Domain domain;
  private final Vcpu[] all = new Vcpu[8];
  private final P2m map = mock(P2m.class, withSettings().stubOnly().defaultAnswer(this::ofP2m));
  private final LogDirty log =
      mock(LogDirty.class, withSettings().stubOnly().defaultAnswer(this::ofLog));

  private Object ofDomain(InvocationOnMock call) {
    return switch (call.getMethod().getName()) {
      case "machine" -> machine;
      case "vcpus" -> registers.length;
      case "vcpu" -> all[(int) (Integer) call.getArgument(0)];
      case "p2m" -> map;
      case "pool" -> pool;
      case "logDirty" -> log;
      case "mfnToGfn" -> gfnOf(call.getArgument(0));
      default -> throw new UnsupportedOperationException(call.toString());
    };
  }

  private Object ofVcpu(InvocationOnMock call, int number) {
    return switch (call.getMethod().getName()) {
      case "registers" -> registers[number];
      case "control" -> controls[number];
      case "number" -> number;
      case "domain" -> domain;
      default -> throw new UnsupportedOperationException(call.toString());
    };
  }

  private Object ofP2m(InvocationOnMock call) {
    return switch (call.getMethod().getName()) {
      case "get", "getGfn" -> entry(call.getArgument(0));
      case "putGfn" -> null;
      default -> throw new UnsupportedOperationException(call.toString());
    };
  }

  private Object ofLog(InvocationOnMock call) {
    return switch (call.getMethod().getName()) {
      case "isEnabled" -> logging;
      case "mark" -> {
        dirty.add(call.getArgument(0));
        yield null;
      }
      default -> throw new UnsupportedOperationException(call.toString());
    };
  }

  private long gfnOf(long mfn) {
    for (int i = 0; i < p2m.length; i++) {
      if (P2mEntry.hasFrame(p2m[i]) && P2mEntry.mfn(p2m[i]) == mfn) {
        return i;
      }
    }
    return FrameMapper.NONE;
  }

  long entry(long gfn) {
    return gfn >= 0 && gfn < p2m.length
        ? p2m[(int) gfn]
        : P2mEntry.without(P2mType.MMIO_DM, P2mAccess.RWX, 0);
  }

  /** Changes one entry as a p2m does. */
  void set(int gfn, long entry) {
    long before = p2m[gfn];
    shadow.p2mChanging(Addresses.gfn(gfn), 0, before, entry);
    p2m[gfn] = entry;
    shadow.p2mChanged(Addresses.gfn(gfn), 0, before, entry);
    for (int i = 0; i < machine.cpus(); i++) {
      machine.cpu(i).flush();
    }
  }

  long load(long gpa, int bytes) {
    long entry = entry(gpa >>> 12);
    return P2mEntry.hasFrame(entry)
        ? memory.load(Addresses.mfnToMaddr(P2mEntry.mfn(entry), gpa & 4095), bytes)
        : -1L >>> 64 - 8 * bytes;
  }

  /** Guest memory as a device writes it. */
  void device(long gpa, int bytes, long value) {
    memory.store(Addresses.mfnToMaddr(P2mEntry.mfn(entry(gpa >>> 12)), gpa & 4095), bytes, value);
    shadow.guestMemoryChanged(Addresses.gfn(gpa >>> 12), 1);
  }

  /** The registers of a vCPU were written. */
  void update(int vcpu) {
    shadow.updatePagingModes(all[vcpu]);
    cpu(vcpu).flushTag(controls[vcpu].tag());
  }

  /** The vCPU loads CR3 with what is in it already. */
  void reload(int vcpu) {
    modes[vcpu].updateCr3(all[vcpu], false);
    cpu(vcpu).flushTag(controls[vcpu].tag());
  }

  /** Writes are logged, or no longer. */
  void log(boolean on) {
    logging = on;
    if (on) {
      shadow.enableLogDirty();
    } else {
      shadow.disableLogDirty();
    }
    dirty.clear();
  }

  /** The guest says that nobody will run on a root any more, rightly or not. */
  void processEnds(int vcpu, long root) {
    modes[vcpu].pagetableDying(all[vcpu], Addresses.gpa(root));
  }

  Cpu cpu(int vcpu) {
    return machine.cpu(vcpu % machine.cpus());
  }

  void invalidate(int vcpu, long linear) {
    if (modes[vcpu].invalidate(all[vcpu], Addresses.gva(linear))) {
      cpu(vcpu).flushLinear(controls[vcpu].tag(), Addresses.gva(linear));
    }
  }

  /**
   * INVLPG for every address that a guest can use whose tables have so many entries; or without
   * paging, has so many frames.
   */
  void invalidateEvery(int vcpu, int frames, int entries) {
    int levels = modes[vcpu].guestLevels();
    int width = levels == 2 ? 10 : 9;
    long count = levels == 1 ? frames : Math.round(Math.pow(entries, levels));
    for (long number = 0; number < count; number++) {
      long linear = levels == 1 ? number << 12 : 0;
      long rest = levels == 1 ? 0 : number;
      for (int level = 0; rest != 0; level++) {
        linear |= rest % entries << 12 + width * level;
        rest /= entries;
      }
      invalidate(vcpu, linear);
    }
  }

  // ---- one operation ----

  /** Does the first operation of the block; answers 0, or the fault of {@link Outcome}. */
  Outcome run(int vcpu, OperationBlock block) {
    for (int fixes = 0; fixes < 64; fixes++) {
      ExitReason reason = cpu(vcpu).enter(controls[vcpu], block, 1);
      if (reason == ExitReason.DONE || reason == ExitReason.PREEMPTED) {
        return Outcome.done(reached(block), block.results()[0]);
      }
      if (reason == ExitReason.FAULT) {
        return Outcome.fault(controls[vcpu].exitVector(), controls[vcpu].exitErrorCode(), 0);
      }
      if (reason != ExitReason.PAGE_FAULT) {
        throw new AssertionError(reason);
      }
      long linear = controls[vcpu].exitLinear();
      PageFaults.Answer answer =
          modes[vcpu].answer(
              Addresses.gva(linear),
              access(block),
              Translation.errorCode(controls[vcpu].exitFault()));
      switch (answer) {
        case FIXED -> {}
        case INJECT -> {
          return Outcome.fault(Vector.PF, Translation.errorCode(modes[vcpu].fault()), linear);
        }
        case NO_ROOM -> throw new AssertionError("no room");
        default -> {
          emulated++;
          return emulate(vcpu, block);
        }
      }
    }
    throw new AssertionError("fixed for ever");
  }

  /** Whether a table on the way of the first operation lies in no memory. */
  boolean leavesMemory(int vcpu, OperationBlock block) {
    long word = block.operations()[0];
    long linear = Operation.isControl(word) ? block.moreOperands()[0] : Operation.linear(word);
    PagingContext context = new PagingContext(machine.profile());
    context.load(registers[vcpu]);
    for (long at = linear; context.rules() != null && at <= linear + 7; at += 7) {
      long result =
          machine
              .walker()
              .walk(context, Addresses.gva(at), access(block), shadow.guest(), false, null);
      if (Translation.isFault(result) && Translation.rule(result) == FaultRule.TABLE_NOT_MEMORY) {
        return true;
      }
    }
    return false;
  }

  private long reached(OperationBlock block) {
    long maddr = block.reached()[0];
    return gfnOf(maddr >>> 12) << 12 | maddr & 4095;
  }

  static long access(OperationBlock block) {
    long word = block.operations()[0];
    return Operation.isControl(word)
        ? word & (Access.USER | Access.SMAP_EXEMPT) | Access.WRITE
        : word & Access.MASK;
  }

  private Outcome emulate(int vcpu, OperationBlock block) {
    long word = block.operations()[0];
    long linear = Operation.isControl(word) ? block.moreOperands()[0] : Operation.linear(word);
    boolean data = Operation.isControl(word) || (word & Operation.DATA) != 0;
    int bytes = data ? block.sizes()[0] : 1;
    boolean wide = modes[vcpu].guestLevels() >= 4;
    linear = wide ? linear : linear & 0xffffffffL;
    long[] places = new long[bytes];
    long page = -1;
    long found = 0;
    for (int i = 0; i < bytes; i++) {
      long at = wide ? linear + i : linear + i & 0xffffffffL;
      if (at >>> 12 != page) {
        page = at >>> 12;
        found = modes[vcpu].walk(Addresses.gva(at), access(block));
        if (Translation.isFault(found)) {
          return Outcome.fault(Vector.PF, Translation.errorCode(found), at);
        }
      }
      places[i] = modes[vcpu].gfn(found, Addresses.gva(at)) << 12 | at & 4095;
    }
    return move(vcpu, block, places, data);
  }

  private Outcome move(int vcpu, OperationBlock block, long[] places, boolean data) {
    int bytes = places.length;
    int first = (int) Math.min(bytes, 4096 - (places[0] & 4095));
    long result = block.results()[0];
    if (!data) {
      return Outcome.done(places[0], result);
    }
    long word = block.operations()[0];
    if (Operation.isControl(word)) {
      long before = loadAll(places);
      if (before == (block.operands()[0] & -1L >>> 64 - 8 * bytes)) {
        storeAll(vcpu, places, first, block.results()[0]);
      }
      return Outcome.done(places[0], before);
    }
    if ((word & Access.WRITE) != 0) {
      storeAll(vcpu, places, first, block.operands()[0]);
      return Outcome.done(places[0], result);
    }
    return Outcome.done(places[0], loadAll(places));
  }

  private long loadAll(long[] places) {
    long value = 0;
    for (int i = 0; i < places.length; i++) {
      value |= load(places[i], 1) << 8 * i;
    }
    return value;
  }

  private void storeAll(int vcpu, long[] places, int first, long value) {
    if (first == places.length) {
      store(vcpu, places[0], first, value);
      return;
    }
    for (int i = 0; i < places.length; i++) {
      store(vcpu, places[i], 1, value >>> 8 * i);
    }
  }

  private void store(int vcpu, long gpa, int bytes, long value) {
    modes[vcpu].writeGuestEntry(
        all[vcpu], Addresses.gfn(gpa >>> 12), (int) gpa & 4095, bytes, value);
  }
}
