// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.hw.Registers;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Vector;
import dev.quire.launcher.torture.GuestProgram.Plan;
import java.util.List;

/** A guest under one backend that runs a program operation by operation, and what it sees. */
final class TortureGuest {
  /**
   * MAXPHYADDR: as small as there is, so that no entry leads beyond RAM by chance; those bits are
   * reserved.
   */
  private static final int PHYSICAL_BITS = 32;

  private static final int POOL = 1024;
  private static final long RAM = (long) TortureLayout.FRAMES << 12;

  private final PagingBackend backend;
  private final Plan plan;
  private final Machine machine;
  private final Hypervisor hypervisor;
  private final PhysicalMemory memory;
  private final OperationBlock block = new OperationBlock(1);
  private final long[] frames = new long[TortureLayout.FRAMES];
  private Domain domain;
  private RunResult result = RunResult.DONE;
  private int vcpu;

  /** A machine with one guest, which is as it is after reset. */
  TortureGuest(
      MachineFactory machines, HypervisorFactory hypervisors, PagingBackend backend, Plan plan) {
    this.backend = backend;
    this.plan = plan;
    boolean bare = isBare(backend);
    Ram ram = new Ram(0, bare ? RAM : 3 * RAM + ((long) POOL << 12));
    CpuProfile profile = new CpuProfile(Vendor.INTEL, PHYSICAL_BITS, CpuProfile.allOfBoth());
    machine =
        machines.create(
            MachineSpec.bare(profile)
                .withRam(List.of(ram))
                .withCpus(plan.cpus())
                .withTlb(machines.presets().values().iterator().next().geometry()));
    memory = machine.memory();
    hypervisor = hypervisors.create(machine);
    domain = create();
  }

  private static boolean isBare(PagingBackend backend) {
    return backend.features().contains(Feature.IDENTITY);
  }

  private Domain create() {
    Placement placement = isBare(backend) ? Placement.IDENTITY : Placement.SCATTERED;
    DomainSpec spec =
        new DomainSpec(
            plan.vcpus(), List.of(new Ram(0, RAM)), placement, plan.largestOrder(), POOL, 1);
    Domain created = hypervisor.createDomain(backend, spec);
    for (int gfn = 0; gfn < frames.length; gfn++) {
      frames[gfn] = created.gfnToMfn(Addresses.gfn(gfn));
    }
    return created;
  }

  /** Ends the guest and begins another in its place. */
  void begin(long[][] content) {
    hypervisor.destroy(domain);
    domain = create();
    for (int gfn = 0; gfn < content.length; gfn++) {
      domain.deviceStoreFrame(Addresses.gfn(gfn), content[gfn]);
    }
  }

  String name() {
    return backend.name();
  }

  // ---- what it does ----

  /** Does an operation. */
  void perform(GuestOperation it) {
    if (it.kind() == GuestOperation.Kind.DEVICE) {
      domain.deviceStore(Addresses.gpa(it.place()), it.bytes(), it.value());
      result = RunResult.DONE;
      return;
    }
    block.clear();
    Operation.Kind control = it.kind().control();
    if (control != null) {
      block.control(control, it.place(), it.value());
    } else {
      prepare(it);
    }
    vcpu = it.vcpu();
    result = domain.vcpu(vcpu).run(block);
  }

  private void prepare(GuestOperation it) {
    switch (it.kind()) {
      case LOAD -> block.load(it.access(), Addresses.gva(it.place()), it.bytes());
      case STORE -> block.store(it.access(), Addresses.gva(it.place()), it.bytes(), it.value());
      case EXCHANGE ->
          block.compareExchange(
              (it.access() & Access.USER) != 0,
              (it.access() & Access.SMAP_EXEMPT) != 0,
              Addresses.gva(it.place()),
              it.bytes(),
              it.value(),
              it.replacement());
      default -> block.probe(it.access(), Addresses.gva(it.place()));
    }
  }

  // ---- what came of it ----

  /** What the last operation came to. */
  RunResult result() {
    return result;
  }

  /** Whether it ended with this fault. */
  boolean hasFaulted(int vector, int code, long linear) {
    Vcpu it = domain.vcpu(vcpu);
    return result == RunResult.FAULT
        && it.faultVector() == vector
        && it.faultErrorCode() == code
        && (vector != Vector.PF || it.faultLinear() == linear);
  }

  /** The guest-physical address that it reached; not less than RAM if that is a device's. */
  long reached() {
    long address = block.reached()[0];
    if ((address & OperationBlock.DEVICE) != 0) {
      return address & ~OperationBlock.DEVICE;
    }
    if (isBare(backend)) {
      return address;
    }
    @Mfn long mfn = Addresses.mfn(address >>> Addresses.PAGE_SHIFT);
    @Gfn long gfn = domain.mfnToGfn(mfn);
    return gfn == FrameMapper.NONE
        ? FrameMapper.NONE
        : gfn << Addresses.PAGE_SHIFT | address & Addresses.PAGE_SIZE - 1;
  }

  /** What it loaded. */
  long loaded() {
    return block.results()[0];
  }

  /** For people. */
  String outcome() {
    Vcpu it = domain.vcpu(vcpu);
    return switch (result) {
      case DONE -> String.format("reached 0x%x, loaded 0x%x", reached(), loaded());
      case FAULT ->
          String.format(
              "%s, code 0x%x, CR2 0x%x",
              Vector.describe(it.faultVector()), it.faultErrorCode(), it.faultLinear());
      default -> result + ": " + domain.crashReason();
    };
  }

  /** What the guest believes its registers to be. */
  Registers registers(int number) {
    return domain.vcpu(number).registers();
  }

  /**
   * Whether PDPTEs are in registers that a load of CR3 fills: NPT has none, each walk reads memory.
   */
  boolean latchesPdptes(int number) {
    return domain.vcpu(number).control().nested().format != NestedPaging.Format.NPT;
  }

  /** The rules of control registers. */
  ControlRegisterUnit registerUnit() {
    return machine.controlRegisters();
  }

  CpuProfile profile() {
    return machine.profile();
  }

  /** A quadword of the guest's memory, by its number. */
  long word(int number) {
    return frame(number >>> 9)[number & 511];
  }

  /** A frame of the guest's memory. */
  long[] frame(int gfn) {
    return memory.frameToRead(Addresses.mfn(frames[gfn]));
  }

  /** Recomputes what the backend must keep true. */
  List<String> audit() {
    return domain.paging().audit();
  }
}
