// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.util.List;
import java.util.ServiceLoader;

/**
 * A guest on the real machine: tables in its first frames, the frames from {@link #FIRST} on mapped
 * in a row from {@link #LINEAR}, some more than there is memory, so that the last ones are a
 * device.
 */
final class HapGuest {
  static final int FRAMES = 64;
  static final int FIRST = 16;
  static final int MAPPED = FRAMES + 4;
  static final long LINEAR = 0x40_0000L;
  private static final long FLAGS = PageEntry.P | PageEntry.RW | PageEntry.US;

  final Machine machine;
  final Hypervisor hypervisor;
  final Domain domain;
  final PagingFormat format;

  HapGuest(Dimension dimension, PagingFormat format, Placement placement) {
    this(machine(profile(dimension), true), backend(dimension), format, placement);
  }

  HapGuest(Machine machine, PagingBackend backend, PagingFormat format, Placement placement) {
    this.machine = machine;
    this.format = format;
    hypervisor =
        ServiceLoader.load(HypervisorFactory.class).findFirst().orElseThrow().create(machine);
    domain =
        hypervisor.createDomain(
            backend,
            new DomainSpec(machine.cpus(), List.of(new Ram(0, FRAMES << 12)), placement, 0, 64, 5));
    writeTables();
  }

  static CpuProfile profile(Dimension dimension) {
    return CpuProfile.full(dimension == Dimension.NPT ? Vendor.AMD : Vendor.INTEL, 40);
  }

  static PagingBackend backend(Dimension dimension) {
    return dimension == Dimension.NPT ? new NptBackend() : new EptBackend();
  }

  static Machine machine(CpuProfile profile, boolean caches) {
    MachineFactory factory = ServiceLoader.load(MachineFactory.class).findFirst().orElseThrow();
    MachineSpec spec =
        MachineSpec.bare(profile)
            .withRam(List.of(new Ram(0, 16 << 20)))
            .withTlb(caches ? factory.presets().get("tiny").geometry() : null);
    return factory.create(spec);
  }

  /** Tables from frame 0 up: the root first. */
  private void writeTables() {
    int table = 0;
    for (int level = format.levels(); level > 1; level--) {
      long flags = format.rootInRegisters() && level == 3 ? PageEntry.P : FLAGS;
      entry(table, format.index(LINEAR, level), (long) ++table << 12 | flags);
    }
    for (int i = FIRST; i < MAPPED; i++) {
      map(i, (long) i << 12 | FLAGS);
    }
  }

  private void entry(int table, int index, long value) {
    int bytes = format.entryBytes();
    domain.deviceStore(((long) table << 12) + (long) index * bytes, bytes, value);
  }

  /** Writes the last entry on the way to the page that a frame is mapped at. */
  void map(int frame, long value) {
    entry(format.levels() - 1, format.index(linear(frame), 1), value);
  }

  /** Reads it. */
  long mapping(int frame) {
    int bytes = format.entryBytes();
    long table = (format.levels() - 1L) << 12;
    return domain.deviceLoad(table + (long) format.index(linear(frame), 1) * bytes, bytes);
  }

  static long linear(int frame) {
    return LINEAR + ((long) (frame - FIRST) << 12);
  }

  Vcpu vcpu() {
    return domain.vcpu(0);
  }

  /** From reset to the guest's format, by the instructions that a kernel uses. */
  void boot() {
    OperationBlock block = new OperationBlock(8);
    block.control(Kind.MOV_CR0, Cr0.PE);
    long wide = format.levels() >= 3 ? Cr4.PAE : Cr4.PSE;
    block.control(Kind.MOV_CR4, wide | Cr4.PGE | (format.levels() == 5 ? Cr4.LA57 : 0));
    block.control(Kind.MOV_CR3, 0);
    if (format.levels() >= 4) {
      block.control(Kind.WRMSR_EFER, Efer.LME | Efer.NXE);
    }
    block.control(Kind.MOV_CR0, Cr0.PE | Cr0.PG | Cr0.WP);
    assertThat(run(block)).isEqualTo(RunResult.DONE);
  }

  RunResult run(OperationBlock block) {
    RunResult result = vcpu().run(block);
    assertThat(domain.paging().audit()).isEmpty();
    if (domain.isTranslated()) {
      assertThat(domain.p2m().audit()).isEmpty();
    }
    return result;
  }

  RunResult store(long linear, int bytes, long value) {
    OperationBlock block = new OperationBlock(1);
    block.store(Access.of(0, true, false), linear, bytes, value);
    RunResult result = run(block);
    reached = block.reached()[0];
    return result;
  }

  long load(long linear, int bytes) {
    OperationBlock block = new OperationBlock(1);
    block.load(Access.of(0, true, false), linear, bytes);
    assertThat(run(block)).as(String.valueOf(domain.crashReason())).isEqualTo(RunResult.DONE);
    reached = block.reached()[0];
    return block.results()[0];
  }

  /** Where the last access went. */
  long reached;

  long exits(ExitReason reason) {
    return vcpu().exits(reason);
  }
}
