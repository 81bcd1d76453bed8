// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Gva;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A vCPU. It has two sets of registers, as under VMX: what the guest sees and, in the control
 * block, what the hardware runs with. A bit whose write exits is the hypervisor's to give to the
 * hardware; any other bit belongs to the hardware while the guest runs and is taken over at each
 * safe point.
 */
final class GuestVcpu implements Vcpu {
  private static final long UNPAGED_ADDRESS = 0xffffffffL & PageEntry.FRAME;
  private static final long UNPAGED_RIGHTS =
      Translation.PRESENT
          | Translation.WRITABLE
          | Translation.USER
          | Translation.EXECUTABLE
          | Translation.DIRTY;

  private final GuestDomain domain;
  private final int number;
  private final Scheduler scheduler;
  private final Registers registers = new Registers();
  private ControlBlock control = new ControlBlock();
  private @Nullable PagingMode mode;

  private int faultVector;
  private int faultErrorCode;
  private @Gva long faultLinear;
  private long fault;

  /** The CPU whose tag is in the control block. */
  private @Nullable PhysicalCpu taggedBy;

  private long tagGeneration = PhysicalCpu.NO_GENERATION;

  /** Made when first wanted: most vCPUs of many are never walked in software. */
  private @Nullable PagingContext context;

  /** Made when first wanted. */
  private @Nullable TrappedOperation trapped;

  /** The CPU and the block of the last run; their operation is what an exit is about. */
  private @Nullable Cpu runsOn;

  private @Nullable OperationBlock runs;

  /** By reason; made at the first exit. */
  private long @Nullable [] exits;

  GuestVcpu(GuestDomain domain, int number, Scheduler scheduler) {
    this.domain = domain;
    this.number = number;
    this.scheduler = scheduler;
  }

  @Override
  public RunResult run(OperationBlock block) {
    PhysicalCpu cpu = scheduler.place(this);
    while (true) {
      domain.handOver();
      cpu.lock().lock();
      try {
        runsOn = cpu.cpu();
        runs = block;
        RunResult result = ExitLoop.run(this, cpu, block);
        if (result != null) {
          return result;
        }
      } finally {
        cpu.lock().unlock();
      }
    }
  }

  @Override
  public long trappedAccess() {
    OperationBlock block = trappedBlock();
    return TrappedOperation.access(block.operations()[block.next()]);
  }

  private OperationBlock trappedBlock() {
    OperationBlock block = runs;
    if (block == null) {
      throw new IllegalStateException(this + " has come out of no block");
    }
    return block;
  }

  @Override
  public Resolution emulate() {
    OperationBlock block = trappedBlock();
    Cpu cpu = Objects.requireNonNull(runsOn);
    TrappedOperation now = trapped;
    if (now == null) {
      now = new TrappedOperation(this);
      trapped = now;
    }
    return now.emulate(cpu, block);
  }

  boolean hasTagOf(PhysicalCpu cpu, long generation) {
    return taggedBy == cpu && tagGeneration == generation;
  }

  void takeTag(PhysicalCpu cpu, long generation, int tag) {
    taggedBy = cpu;
    tagGeneration = generation;
    control.tag(tag);
  }

  /**
   * What the CPU holds of the domain's p2m shall not be used any more; the CPU's lock is held. EPT
   * has an instruction for that; for everything else there is a new tag.
   */
  void forgetP2m(Cpu cpu) {
    NestedPaging nested = control.nested();
    if (taggedBy == null) {
      return; // it has never run
    }
    if (nested.format == NestedPaging.Format.EPT) {
      cpu.invept(nested.root);
    } else {
      tagGeneration = PhysicalCpu.NO_GENERATION;
      control.tag(PhysicalCpu.NO_TAG);
    }
  }

  // ---- registers ----

  /** The hardware came out: what the guest wrote without an exit is in its set. */
  void takeFromHardware() {
    copyUnintercepted(control.registers(), registers);
  }

  /** The hypervisor wrote the guest's registers: what is not the backend's goes to the hardware. */
  void giveToHardware() {
    copyUnintercepted(registers, control.registers());
  }

  private void copyUnintercepted(Registers from, Registers to) {
    long cr0 = control.cr0Intercepts();
    long cr4 = control.cr4Intercepts();
    // LMA follows PG, whoever watches the other bits of EFER
    long efer = (control.eferIntercepted() ? ~Efer.LMA : 0) | ((cr0 & Cr0.PG) != 0 ? Efer.LMA : 0);
    to.cr0 = to.cr0 & cr0 | from.cr0 & ~cr0;
    to.cr4 = to.cr4 & cr4 | from.cr4 & ~cr4;
    to.efer = to.efer & efer | from.efer & ~efer;
    to.cr2 = from.cr2;
    if (!control.cr3Intercepted()) {
      to.cr3 = from.cr3;
      System.arraycopy(from.pdptes, 0, to.pdptes, 0, Registers.PDPTES);
    }
    if (!control.keysIntercepted()) {
      to.pkru = from.pkru;
      to.pkrs = from.pkrs;
    }
  }

  @Override
  public Registers registers() {
    return registers;
  }

  @Override
  public ControlBlock control() {
    return control;
  }

  /**
   * Gives the hardware a control block as at the beginning, for a backend that is about to take the
   * domain over: nothing is intercepted, the registers are the guest's.
   *
   * @return the one before
   */
  ControlBlock renewControl() {
    ControlBlock before = control;
    if (before.nested().format == NestedPaging.Format.NPT && format().rootInRegisters()) {
      readPdptes(registers.cr3 & Cr3.ROOT_PAE, registers.pdptes); // whoever comes may latch them
    }
    control = new ControlBlock();
    control.registers().set(registers);
    control.kernelIsUser(before.kernelIsUser());
    control.tag(before.tag());
    return before;
  }

  /** Takes the control block back that was there before. */
  void control(ControlBlock before) {
    control = before;
  }

  // ---- exits ----

  void mode(PagingMode chosen) {
    mode = chosen;
  }

  PagingMode mode() {
    PagingMode now = mode;
    if (now == null) {
      throw new IllegalStateException("vCPU " + number + " has no paging mode yet");
    }
    return now;
  }

  void countExit(ExitReason reason) {
    long[] counts = exits;
    if (counts == null) {
      counts = new long[ExitReason.values().length];
      exits = counts;
    }
    counts[reason.ordinal()]++;
  }

  @Override
  public long exits(ExitReason reason) {
    long[] counts = exits;
    return counts == null ? 0 : counts[reason.ordinal()];
  }

  /** The exception in the control block becomes the guest's. */
  void deliver() {
    InterfaceDomain guest = domain.guestInterface();
    if (guest != null) {
      guest.delivering(this);
    }
    faultVector = control.exitVector();
    faultErrorCode = control.exitErrorCode();
    faultLinear = control.exitLinear();
    fault = control.exitFault();
    if (faultVector == Vector.PF) {
      control.registers().cr2 = faultLinear;
      registers.cr2 = faultLinear;
    }
  }

  @Override
  public int faultVector() {
    return faultVector;
  }

  @Override
  public int faultErrorCode() {
    return faultErrorCode;
  }

  @Override
  public @Gva long faultLinear() {
    return faultLinear;
  }

  @Override
  public long fault() {
    return fault;
  }

  // ---- the guest's own tables ----

  @Override
  public long translate(@Gva long linear, long access, @Nullable WalkTrace trace) {
    return walk(linear, access, PageWalker.LOOK_ONLY, trace);
  }

  /** The same, with A and D set if asked. */
  long walk(@Gva long linear, long access, boolean update, @Nullable WalkTrace trace) {
    return walk(linear, access, update, domain.tableFrames(), trace);
  }

  /** The same, with tables found by another mapper. */
  long walk(
      @Gva long linear,
      long access,
      boolean update,
      @Nullable FrameMapper tables,
      @Nullable WalkTrace trace) {
    if ((registers.cr0 & Cr0.PG) == 0) {
      return linear & UNPAGED_ADDRESS | UNPAGED_RIGHTS;
    }
    PagingContext now = context;
    if (now == null) {
      now = new PagingContext(domain.machine().profile());
      context = now;
    }
    now.load(registers);
    if (control.nested().format == NestedPaging.Format.NPT && format().rootInRegisters()) {
      readPdptes(now.root(), now.pdptes());
    }
    long privilege = control.kernelIsUser() ? Access.USER | Access.SMAP_EXEMPT : 0;
    return domain.machine().walker().walk(now, linear, access | privilege, tables, update, trace);
  }

  /** Under NPT there are no PDPTE registers: each walk reads memory (APM vol. 2, 15.25.10). */
  private void readPdptes(long table, long[] pdptes) {
    for (int i = 0; i < Registers.PDPTES; i++) {
      pdptes[i] = domain.memory().load(table + (long) i * Long.BYTES);
    }
  }

  private PagingFormat format() {
    return PagingRules.format(registers.cr4, registers.efer);
  }

  /** log2 of the size of the page of a translation. */
  int shift(long translation) {
    return format().shift(Translation.level(translation));
  }

  @Override
  public int number() {
    return number;
  }

  @Override
  public GuestDomain domain() {
    return domain;
  }

  @Override
  public String toString() {
    return "vCPU " + number + " of domain " + domain.id();
  }
}
