// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.Vector;
import dev.quire.launcher.conform.WalkVector.Expected;
import dev.quire.launcher.conform.WalkVector.RegisterValues;
import dev.quire.launcher.conform.WalkVector.TableEntry;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A guest under a backend, on whose vCPU vectors are tried. Its few frames of memory are moved to
 * where a vector has its tables and its page, by the p2m, so that the guest-physical addresses are
 * the recorded ones. Where a walk goes on from an entry there is memory too: on the bare machine
 * all of it is.
 */
final class DomainBench implements Bench {
  /** As many frames as a vector can name: five tables, and where each of their entries leads. */
  private static final int FRAMES = 16;

  /** For the p2m's tables, which are never given back, and for the backend. */
  private static final int POOL = 12 << 10;

  private static final int ROOT_LOAD = 4;
  private static final int PROBE = 5;

  private final MachineFactory machines;
  private final HypervisorFactory hypervisors;
  private final PagingBackend backend;
  private final CpuProfile profile;
  private final OperationBlock block = new OperationBlock(PROBE + 1);
  private final WalkTrace trace = new WalkTrace();
  private final Comparison comparison = new Comparison(this::read);
  private final long[] places = new long[FRAMES];
  private final long[] frames = new long[FRAMES];
  private Domain domain;

  /**
   * A bench.
   *
   * @param bare the CPU; it gets what the backend needs besides
   */
  DomainBench(
      MachineFactory machines,
      HypervisorFactory hypervisors,
      PagingBackend backend,
      CpuProfile bare) {
    this.machines = machines;
    this.hypervisors = hypervisors;
    this.backend = backend;
    profile = new CpuProfile(Vendor.INTEL, bare.physicalBits(), CpuProfile.allOfBoth());
    domain = begin();
  }

  private Domain begin() {
    MachineSpec machine =
        MachineSpec.bare(profile).withRam(List.of(new Ram(0, (long) (2 * FRAMES + POOL) << 12)));
    DomainSpec spec =
        new DomainSpec(
            1, List.of(new Ram(0, (long) FRAMES << 12)), Placement.SCATTERED, 0, POOL, 1);
    Domain begun = hypervisors.create(machines.create(machine)).createDomain(backend, spec);
    for (int i = 0; i < FRAMES; i++) {
      places[i] = i;
      frames[i] = begun.gfnToMfn(Addresses.gfn(i));
    }
    return begun;
  }

  @Override
  public List<String> tryOut(WalkVector vector) {
    if (domain.crashReason() != null) {
      domain = begin();
    }
    place(wanted(vector));
    try {
      vector.entries().forEach(it -> write(it, it.value()));
      Expected seen = run(vector);
      List<String> lines = comparison.differences(vector, seen);
      lines.addAll(lines.isEmpty() ? List.of() : walk(vector));
      return lines;
    } finally {
      vector.entries().forEach(it -> write(it, 0));
    }
  }

  // ---- memory ----

  private Set<Long> wanted(WalkVector vector) {
    Set<Long> wanted = new LinkedHashSet<>();
    for (TableEntry entry : vector.entries()) {
      wanted.add(entry.address() >>> Addresses.PAGE_SHIFT);
    }
    if (vector.expected() instanceof Expected.Reached reached) {
      wanted.add(reached.address() >>> Addresses.PAGE_SHIFT);
    }
    for (TableEntry entry : vector.entries()) {
      long frame = (entry.value() & PageEntry.FRAME) >>> Addresses.PAGE_SHIFT;
      if (frame >>> profile.physicalBits() - Addresses.PAGE_SHIFT == 0) {
        wanted.add(frame);
      }
    }
    return wanted;
  }

  private void place(Set<Long> wanted) {
    Set<Long> missing = new LinkedHashSet<>(wanted);
    for (long place : places) {
      missing.remove(place);
    }
    int free = 0;
    for (long gfn : missing) {
      while (wanted.contains(places[free])) {
        free++;
      }
      move(free, Addresses.gfn(gfn));
    }
  }

  private void move(int frame, @Gfn long gfn) {
    P2m p2m = domain.p2m();
    @Mfn long mfn = Addresses.mfn(frames[frame]);
    require(p2m.remove(Addresses.gfn(places[frame]), mfn, 0));
    require(p2m.add(gfn, mfn, 0, P2mType.RAM_RW));
    places[frame] = gfn;
  }

  private static void require(Errno errno) {
    if (!errno.isOk()) {
      throw new IllegalStateException("a frame cannot be moved in the p2m: " + errno);
    }
  }

  private void write(TableEntry entry, long value) {
    domain.deviceStore(Addresses.gpa(entry.address()), entry.bytes(), value);
  }

  private long read(TableEntry entry) {
    return domain.deviceLoad(Addresses.gpa(entry.address()), entry.bytes());
  }

  // ---- the access ----

  private Expected run(WalkVector vector) {
    RegisterValues values = vector.registers();
    block.clear();
    block.control(Kind.LOAD_EFER, values.efer());
    block.control(Kind.LOAD_CR4, values.cr4());
    block.control(Kind.LOAD_CR0, values.cr0());
    block.control(Kind.LOAD_PKRU, values.pkru());
    block.control(Kind.MOV_CR3, values.cr3());
    block.probe(vector.access(), vector.linear());
    Vcpu vcpu = domain.vcpu(0);
    RunResult result = vcpu.run(block);
    int at = block.next();
    return switch (result) {
      case DONE -> reached(block.reached()[PROBE]);
      case FAULT -> {
        if (at == ROOT_LOAD && vcpu.faultVector() == Vector.GP) {
          yield new Expected.RootRefused();
        }
        yield at == PROBE && vcpu.faultVector() == Vector.PF
            ? new Expected.PageFault(vcpu.faultErrorCode(), vcpu.faultLinear())
            : new Expected.Unknown(
                "operation " + at + " raised " + Vector.describe(vcpu.faultVector()));
      }
      case BLOCKED -> new Expected.Unknown("the vCPU waits");
      case DEAD -> new Expected.Unknown("the domain died: " + domain.crashReason());
    };
  }

  private Expected reached(long machine) {
    @Mfn long mfn = Addresses.mfn(machine >>> Addresses.PAGE_SHIFT);
    @Gfn long gfn = machine < 0 ? Addresses.gfn(FrameMapper.NONE) : domain.mfnToGfn(mfn);
    if (gfn == FrameMapper.NONE) {
      return new Expected.Unknown(
          String.format("reached 0x%x, which is no memory of the guest's", machine));
    }
    @Gpa long gpa = Addresses.gfnToGpa(gfn, machine & Addresses.PAGE_SIZE - 1);
    return new Expected.Reached(gpa, 0);
  }

  private List<String> walk(WalkVector vector) {
    vector.entries().forEach(it -> write(it, it.value()));
    trace.clear();
    return trace.explain(domain.vcpu(0).translate(vector.linear(), vector.access(), trace));
  }
}
