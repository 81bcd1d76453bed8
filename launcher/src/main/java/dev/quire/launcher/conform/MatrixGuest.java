// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.Vector;
import dev.quire.launcher.conform.MatrixStates.CpuState;
import dev.quire.launcher.conform.MatrixStates.Entries;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A 4-level guest under one backend that goes through the states of the access matrix, on a machine
 * with TLBs. What an access came to is left in {@link #seen}.
 */
final class MatrixGuest {
  /** How many numbers {@link #seen} holds. */
  static final int SEEN = 7;

  private static final int PROBES = 4;
  private static final int FRAMES = 16;
  private static final int POOL = 1024;

  /**
   * A fault, with its vector and error code below; anything else is an address that was reached.
   */
  private static final long FAULT = Long.MIN_VALUE;

  private static final long ELSEWHERE = 1L << 62;

  private static final @Gva long LINEAR =
      Addresses.gva(
          (long) MatrixStates.PML4_INDEX << 39
              | (long) MatrixStates.PDPT_INDEX << 30
              | (long) MatrixStates.PD_INDEX << 21
              | (long) MatrixStates.PT_INDEX << 12
              | 0x10);

  private static final @Gpa long PDPTE = entry(MatrixStates.PDPT, MatrixStates.PDPT_INDEX);
  private static final @Gpa long PDE = entry(MatrixStates.PD, MatrixStates.PD_INDEX);
  private static final @Gpa long PTE = entry(MatrixStates.PT, MatrixStates.PT_INDEX);

  private final String name;
  private final Domain domain;
  private final Vcpu vcpu;
  private final OperationBlock registers = new OperationBlock(5);
  private final OperationBlock block = new OperationBlock(PROBES);
  private final long[] seen = new long[SEEN];

  /** A guest of the only domain of a machine of its own. */
  MatrixGuest(MachineFactory machines, HypervisorFactory hypervisors, PagingBackend backend) {
    name = backend.name();
    Ram low = new Ram(0, (long) FRAMES << 12);
    Ram large = new Ram(MatrixStates.LARGE_PAGE << 12, (long) FRAMES << 12);
    Ram rest = new Ram(4L << 20, (long) (2 * FRAMES + POOL) << 12);
    CpuProfile profile =
        new CpuProfile(Vendor.INTEL, MatrixStates.PHYSICAL_BITS, CpuProfile.allOfBoth());
    MachineSpec machine =
        MachineSpec.bare(profile)
            .withRam(List.of(low, large, rest))
            .withTlb(machines.presets().values().iterator().next().geometry());
    boolean identity = backend.features().contains(Feature.IDENTITY);
    Placement placement = identity ? Placement.IDENTITY : Placement.SCATTERED;
    DomainSpec spec = new DomainSpec(1, List.of(low, large), placement, 0, POOL, 1);
    domain = hypervisors.create(machines.create(machine)).createDomain(backend, spec);
    vcpu = domain.vcpu(0);
    long flags = PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A;
    domain.deviceStore(
        entry(MatrixStates.PML4, MatrixStates.PML4_INDEX), 8, MatrixStates.PDPT << 12 | flags);
  }

  private static @Gpa long entry(long table, int index) {
    return Addresses.gfnToGpa(Addresses.gfn(table), 8L * index);
  }

  /** The name of the backend. */
  String name() {
    return name;
  }

  /** Sets the CPU; nothing is cached afterwards. */
  void enter(CpuState state) {
    registers.clear();
    registers.control(Kind.LOAD_EFER, state.efer());
    registers.control(Kind.LOAD_CR4, state.cr4());
    registers.control(Kind.LOAD_CR0, state.cr0());
    registers.control(Kind.LOAD_PKRU, state.pkru());
    registers.control(Kind.MOV_CR3, MatrixStates.PML4 << 12);
    run(registers);
  }

  /**
   * Sets the entries, invalidates, and makes the access; then reads, as supervisor and as user, so
   * that whatever holds translations may hold this one, and makes the access again.
   *
   * @return what was {@link #seen}: where the four ended, then the entries
   */
  long[] access(Entries entries, long access) {
    domain.deviceStore(PDPTE, 8, entries.pdpte());
    domain.deviceStore(PDE, 8, entries.pde());
    domain.deviceStore(PTE, 8, entries.pte());
    block.clear();
    block.probe(access, LINEAR);
    block.probe(Access.of(0, false, true), LINEAR);
    block.probe(Access.of(0, true, false), LINEAR);
    block.probe(access, LINEAR);
    invalidate();
    RunResult result = vcpu.run(block);
    int done = 0;
    while (result != RunResult.DONE) {
      if (result != RunResult.FAULT) {
        throw new IllegalStateException(name + ": " + domain.crashReason());
      }
      done = reached(done, block.next());
      seen[done++] = fault();
      block.next(done);
      result = vcpu.run(block);
    }
    reached(done, PROBES);
    seen[PROBES] = domain.deviceLoad(PDPTE, 8);
    seen[PROBES + 1] = domain.deviceLoad(PDE, 8);
    seen[PROBES + 2] = domain.deviceLoad(PTE, 8);
    return seen;
  }

  private void invalidate() {
    registers.clear();
    registers.control(Kind.INVLPG, LINEAR);
    run(registers);
  }

  private void run(OperationBlock operations) {
    if (vcpu.run(operations) != RunResult.DONE) {
      throw new IllegalStateException(name + " refuses a register write or an invalidation");
    }
  }

  private int reached(int from, int to) {
    for (int i = from; i < to; i++) {
      seen[i] = guestPhysical(block.reached()[i]);
    }
    return to;
  }

  private long fault() {
    boolean here = vcpu.faultVector() != Vector.PF || vcpu.faultLinear() == LINEAR;
    return FAULT
        | (here ? 0 : ELSEWHERE)
        | (long) vcpu.faultVector() << Integer.SIZE
        | vcpu.faultErrorCode();
  }

  private long guestPhysical(long machine) {
    if (machine < 0) {
      return machine; // a device, which the guest has nowhere: that is a difference
    }
    @Mfn long mfn = Addresses.mfn(machine >>> Addresses.PAGE_SHIFT);
    @Gfn long gfn = domain.mfnToGfn(mfn);
    return gfn << Addresses.PAGE_SHIFT | machine & Addresses.PAGE_SIZE - 1;
  }

  /** What was seen, for people. */
  static String describe(long[] seen) {
    String probes =
        Arrays.stream(seen, 0, PROBES)
            .mapToObj(MatrixGuest::outcome)
            .collect(Collectors.joining(", "));
    return String.format(
        "%s; PDPTE 0x%x PDE 0x%x PTE 0x%x",
        probes, seen[PROBES], seen[PROBES + 1], seen[PROBES + 2]);
  }

  private static String outcome(long seen) {
    return seen < 0
        ? String.format("%s, code 0x%x", Vector.describe((int) (seen >>> 32) & 0xff), (int) seen)
        : String.format("reached 0x%x", seen);
  }
}
