// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.hw.Registers;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Translation;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.frames.FlushClock;
import dev.quire.hypervisor.frames.MachineFrameTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A world small enough to be seen whole: one PV domain of a few frames, tables of four entries, two
 * vCPUs on a CPU each, and for each CPU what its TLB might hold. Hypercalls are decoded and made as
 * always. A call that is preempted stays pending while the guest does whatever else it likes.
 *
 * <p>The TLBs are the worst that hardware allows: a CPU may hold a writable translation of every
 * frame that any table in use has mapped writable since the CPU flushed.
 */
final class SmallHost {
  static final int SLOTS = 4;
  static final int VCPUS = 2;
  private static final int GUEST = 1;

  /** Where requests of hypercalls lie: a frame that is no part of the world. */
  private static final long REQUESTS = 64;

  /** One for all worlds, which wipe it; they are seen one at a time. */
  private static final PhysicalMemory MEMORY =
      new X86MachineFactory()
          .create(MachineSpec.bare(CpuProfile.full(CpuProfile.Vendor.AMD, 36)))
          .memory();

  private static final Machine MACHINE =
      Seam.between(Machine.class, null, (name, none, call) -> MEMORY);

  /** Tables of the hypervisor's, one for each vCPU at most, are no part of the world either. */
  private static final PagingPool POOL =
      Seam.between(
          PagingPool.class,
          null,
          (method, none, call) -> method.equals("allocate") ? (Object) (REQUESTS + 1) : null);

  private final int count;
  private final FlushClock clock = new FlushClock(VCPUS);

  private final FrameTable frames;
  private final PvDomain pv;
  private final Vcpu[] vcpus = new Vcpu[VCPUS];
  private final OperationBlock[] pending = new OperationBlock[VCPUS];
  private final boolean[] isPending = new boolean[VCPUS];
  private final long[] writable = new long[VCPUS];
  private final boolean flushesTypes;
  private final boolean grants;
  private int preemptAt;

  /**
   * A world of untouched frames.
   *
   * @param flushesTypes false for a frame table that forgets the flush when a type changes
   */
  SmallHost(int count, boolean flushesTypes) {
    this(count, flushesTypes, false);
  }

  /**
   * The same.
   *
   * @param grants whether the domain grants each frame to itself, by its number
   */
  SmallHost(int count, boolean flushesTypes, boolean grants) {
    this(count, flushesTypes, grants, TableFormat.LONG);
  }

  /** The same with tables of another kind. */
  SmallHost(int count, boolean flushesTypes, boolean grants, TableFormat format) {
    this.count = count;
    this.grants = grants;
    this.flushesTypes = flushesTypes;
    frames =
        MachineFrameTable.of(
            Addresses.mfn(grants ? count + 1 : count),
            clock,
            (owner, stamp, fromTable) -> typeChanged(stamp),
            freed -> {});
    for (int mfn = 0; mfn < count; mfn++) {
      frames.assign(Addresses.mfn(mfn), GUEST, FrameWords.ALLOCATED);
      Arrays.fill(MEMORY.frame(Addresses.mfn(mfn)), 0);
    }
    Domain domain =
        Seam.between(Domain.class, null, (method, arguments, call) -> domain(method, arguments));
    for (int number = 0; number < VCPUS; number++) {
      vcpus[number] = vcpu(number, domain);
      pending[number] = new OperationBlock(1);
    }
    DomainHost host =
        Seam.between(
            DomainHost.class, null, (method, arguments, call) -> host(domain, method, arguments));
    pv = new PvDomain(host, Injected::new, SLOTS, GrantRules.XEN, format);
    if (grants) {
      grantAll();
    }
  }

  private void grantAll() {
    pv.grants().grow(1, pv.vcpu(0).work());
    for (int frame = 0; frame < count; frame++) {
      long grant = 1 | GUEST << 16 | (long) frame << 32;
      MEMORY.store(Addresses.maddr(place(count, frame)), Long.BYTES, grant);
    }
  }

  /** The frame behind the others becomes that of the domain's grants. */
  private long lend() {
    frames.assign(Addresses.mfn(count), GUEST, FrameWords.ALLOCATED | FrameWords.XEN_HEAP);
    return count;
  }

  private static Vcpu vcpu(int number, Domain domain) {
    Registers registers = new Registers();
    return Seam.between(
        Vcpu.class,
        null,
        (method, arguments, call) ->
            switch (method) {
              case "number" -> number;
              case "domain" -> domain;
              case "registers" -> registers;
              case "translate" -> request();
              default -> throw new IllegalStateException(method);
            });
  }

  /** Whatever a call points to lies in the one frame. */
  private static long request() {
    return REQUESTS << Addresses.PAGE_SHIFT
        | Translation.PRESENT
        | Translation.WRITABLE
        | Translation.USER;
  }

  private Object domain(String method, Object[] arguments) {
    return switch (method) {
      case "id" -> GUEST;
      case "vcpus" -> VCPUS;
      case "vcpu" -> vcpus[(Integer) arguments[0]];
      case "machine" -> MACHINE;
      case "crashReason" -> null;
      case "pool" -> POOL;
      default -> throw new IllegalStateException(method);
    };
  }

  private Object host(Domain domain, String method, Object[] arguments) {
    switch (method) {
      case "flush" -> flush((Integer) arguments[0], clock.tick());
      case "flushAll" -> {
        int time = clock.tick();
        flush(0, time);
        flush(1, time);
      }
      default -> {
        return switch (method) {
          case "domain" -> domain;
          case "frames" -> frames;
          case "policy" -> GuestPolicy.PLAIN;
          case "allocate" -> grants ? lend() : FrameMapper.NONE;
          case "exists" -> (Integer) arguments[0] == GUEST;
          case "peer" -> pv;
          case "peers" -> List.of(pv);
          case "machineToPhysicalEntry" -> 0L;
          default -> null;
        };
      }
    }
    return null;
  }

  /** Says yes from the question on that the operation names. */
  private final class Injected implements Patience {
    private int asked;

    @Override
    public void renew() {
      asked = 0;
    }

    @Override
    public boolean getAsBoolean() {
      return preemptAt >= 0 && asked++ >= preemptAt;
    }
  }

  // ---- TLBs ----

  private void typeChanged(int stamp) {
    int time = 0;
    for (int cpu = 0; flushesTypes && cpu < VCPUS; cpu++) {
      if (clock.mayHold(cpu, stamp)) {
        time = time == 0 ? clock.tick() : time;
        flush(cpu, time);
      }
    }
  }

  private void flush(int cpu, int time) {
    writable[cpu] = 0;
    clock.flushed(cpu, time);
  }

  /** CPUs use what is mapped, and so may hold it from now on. */
  private void fillTlbs() {
    long mapped = 0;
    for (int mfn = 0; mfn < count; mfn++) {
      long word = frames.typeWord(Addresses.mfn(mfn));
      boolean inUse = (word & FrameWords.VALIDATED) != 0 && FrameWords.typeCount(word) > 0;
      for (int slot = 0; inUse && FrameWords.type(word) == FrameType.L1 && slot < SLOTS; slot++) {
        long entry = read(mfn, slot);
        boolean writes = EntryRules.isPresent(entry) && EntryRules.isWritable(entry);
        mapped |= writes ? 1L << EntryRules.target(entry) : 0;
      }
    }
    writable[0] |= mapped;
    writable[1] |= mapped;
  }

  // ---- operations ----

  /** One thing that a vCPU can do; answers whether it could. */
  boolean perform(SmallOperation it) {
    preemptAt = it.preemptAt();
    boolean done =
        switch (it.kind()) {
          case STORE -> store(it);
          case RESUME -> isPending[it.vcpu()] && run(it.vcpu(), pending[it.vcpu()]);
          default -> call(it);
        };
    fillTlbs();
    return done;
  }

  /** A store of the guest's, through whatever lets it. */
  private boolean store(SmallOperation it) {
    if ((writable[it.vcpu()] >>> it.frame() & 1) == 0) {
      return false;
    }
    MEMORY.store(Addresses.maddr(place(it.frame(), it.slot())), Long.BYTES, it.value());
    return true;
  }

  private boolean call(SmallOperation it) {
    if (isPending[it.vcpu()] && it.kind() != SmallOperation.Kind.MMUEXT) {
      return false; // an interrupt's handler may make short calls of its own before it goes on
    }
    OperationBlock block = block(it);
    if (isPending[it.vcpu()]) {
      int before = pending[it.vcpu()].next();
      run(it.vcpu(), block);
      pending[it.vcpu()].next(before);
      isPending[it.vcpu()] = true;
      return true;
    }
    pending[it.vcpu()] = block;
    return run(it.vcpu(), block);
  }

  private OperationBlock block(SmallOperation it) {
    OperationBlock block = new OperationBlock(1);
    long list = REQUESTS << Addresses.PAGE_SHIFT | (long) it.vcpu() * 64;
    switch (it.kind()) {
      case MMU_UPDATE -> {
        request(it.vcpu(), place(it.frame(), it.slot()) | it.command(), it.value(), 0);
        block.hypercall(1, list, 1, 0, Batch.DOMID_SELF, 0);
      }
      case MMUEXT -> {
        if (pv.isCompat()) {
          words(it.vcpu(), it.command(), it.frame(), (int) it.value());
        } else {
          request(it.vcpu(), it.command(), it.frame(), it.value());
        }
        block.hypercall(26, list, 1, 0, Batch.DOMID_SELF, 0);
      }
      case GRANT_MAP -> {
        long ref = (long) it.frame() << Integer.SIZE;
        request(it.vcpu(), it.value(), it.command() | ref, GUEST);
        block.hypercall(20, 0, list, 1, 0, 0);
      }
      case GRANT_UNMAP -> {
        long device = it.value() == 0 ? place(it.frame(), 0) : 0;
        request(it.vcpu(), it.value(), device, it.command());
        block.hypercall(20, 1, list, 1, 0, 0);
      }
      case SET_GDT -> {
        request(it.vcpu(), it.frame(), 0, 0);
        block.hypercall(2, list, it.slot(), 0, 0, 0);
      }
      default -> throw new IllegalStateException();
    }
    return block;
  }

  private void request(int vcpu, long first, long second, long third) {
    long at = REQUESTS << Addresses.PAGE_SHIFT | (long) vcpu * 64;
    MEMORY.store(Addresses.maddr(at), 8, first);
    MEMORY.store(Addresses.maddr(at + 8), 8, second);
    MEMORY.store(Addresses.maddr(at + 16), 8, third);
  }

  private void words(int vcpu, int... words) {
    long at = REQUESTS << Addresses.PAGE_SHIFT | (long) vcpu * 64;
    for (int i = 0; i < words.length; i++) {
      MEMORY.store(Addresses.maddr(at + 4L * i), Integer.BYTES, words[i]);
    }
  }

  private boolean run(int vcpu, OperationBlock block) {
    Resolution result = pv.hypercall(vcpus[vcpu], block);
    isPending[vcpu] = result == Resolution.FIXED;
    return true;
  }

  private static long place(long frame, int slot) {
    return frame << Addresses.PAGE_SHIFT | (long) slot << 3;
  }

  private long read(long frame, int slot) {
    return MEMORY.load(Addresses.maddr(place(frame, slot)), Long.BYTES);
  }

  // ---- judgement ----

  /** What is wrong: counts, and tables that somebody could write. */
  List<String> audit() {
    List<String> wrong = new ArrayList<>(pv.audit());
    for (int mfn = 0; mfn < count; mfn++) {
      FrameType type = FrameWords.type(frames.typeWord(Addresses.mfn(mfn)));
      boolean inUse = FrameWords.typeCount(frames.typeWord(Addresses.mfn(mfn))) > 0;
      boolean sensitive = type.isTable() || type == FrameType.SEG_DESC;
      for (int cpu = 0; inUse && sensitive && cpu < VCPUS; cpu++) {
        if ((writable[cpu] >>> mfn & 1) != 0) {
          wrong.add("CPU " + cpu + " can write frame " + mfn + ", which is " + type.title());
        }
      }
    }
    return wrong;
  }

  /** Everything that what comes depends on, but for absolute times. */
  Signature signature() {
    Signature signature = new Signature();
    for (int frame = 0; frame < count; frame++) {
      @Mfn long mfn = Addresses.mfn(frame);
      signature.add(frames.typeWord(mfn));
      signature.add(frames.countWord(mfn));
      signature.add(frames.validated(mfn));
      signature.add(frames.linear(mfn) * 2L + (frames.hasPartialChild(mfn) ? 1 : 0));
      for (int slot = 0; slot < SLOTS; slot++) {
        signature.add(read(frame, slot));
      }
    }
    pv.maptrack()
        .forEach((handle, granter, ref, flags) -> signature.add(handle << 16 | ref << 8 | flags));
    for (int vcpu = 0; vcpu < VCPUS; vcpu++) {
      PvVcpu it = pv.vcpu(vcpu);
      signature.add(it.roots().kernel());
      signature.add(it.roots().user());
      signature.add(writable[vcpu]);
      signature.add(isPending[vcpu] ? 1 : 0);
      for (int which = 0; isPending[vcpu] && which < 4; which++) {
        signature.add(pending[vcpu].argument(0, which));
      }
      it.work()
          .forEachDeferred(
              (@Mfn long mfn, boolean partial) -> signature.add(mfn * 2 + (partial ? 1 : 0)));
      signature.add(-1);
    }
    return signature;
  }
}
