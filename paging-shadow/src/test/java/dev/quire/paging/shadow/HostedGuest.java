// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.util.List;
import java.util.ServiceLoader;

/** A guest of a real hypervisor on a real machine, whose tables map its frames in a row. */
final class HostedGuest {
  static final int FRAMES = 64;
  static final int FIRST = 16;
  static final long FLAGS = PageEntry.P | PageEntry.RW | PageEntry.US;

  private final Machine machine = machine();
  private final Hypervisor hypervisor =
      ServiceLoader.load(HypervisorFactory.class).findFirst().orElseThrow().create(machine);
  final OperationBlock block = new OperationBlock(16);
  Domain domain;

  private static Machine machine() {
    MachineFactory factory = ServiceLoader.load(MachineFactory.class).findFirst().orElseThrow();
    return factory.create(
        MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40))
            .withRam(List.of(new Ram(0, 16 << 20)))
            .withTlb(factory.presets().get("tiny").geometry()));
  }

  /** Gives the guest to a backend; the pool has so many frames. */
  Domain create(PagingBackend backend, int pool) {
    domain =
        hypervisor.createDomain(
            backend,
            new DomainSpec(1, List.of(new Ram(0, FRAMES << 12)), Placement.SCATTERED, 0, pool, 5));
    return domain;
  }

  static long linear(int frame) {
    return 0x40_0000L + ((long) (frame - FIRST) << 12);
  }

  /** Tables from frame 0 up, the root first; the last one is also mapped behind all others. */
  long writeTables(PagingFormat format) {
    int table = 0;
    for (int level = format.levels(); level > 1; level--) {
      long flags = format.rootInRegisters() && level == 3 ? PageEntry.P : FLAGS;
      long at =
          ((long) table << 12) + (long) format.index(linear(FIRST), level) * format.entryBytes();
      domain.deviceStore(at, format.entryBytes(), (long) ++table << 12 | flags);
    }
    for (int i = FIRST; i < FRAMES; i++) {
      domain.deviceStore(entryOf(format, i), format.entryBytes(), (long) i << 12 | FLAGS);
    }
    domain.deviceStore(entryOf(format, FRAMES), format.entryBytes(), (long) table << 12 | FLAGS);
    return (long) table << 12;
  }

  static long entryOf(PagingFormat format, int frame) {
    long table = (format.levels() - 1L) << 12;
    return table + (long) format.index(linear(frame), 1) * format.entryBytes();
  }

  void boot(PagingFormat format) {
    block.clear();
    block.control(Kind.MOV_CR0, Cr0.PE);
    block.control(
        Kind.MOV_CR4,
        Cr4.PGE | (format.levels() > 2 ? Cr4.PAE : 0) | (format.levels() == 5 ? Cr4.LA57 : 0));
    block.control(Kind.MOV_CR3, 0);
    block.control(
        Kind.WRMSR_EFER,
        format.isLongMode() ? Efer.LME | Efer.NXE : format.levels() > 2 ? Efer.NXE : 0);
    block.control(Kind.MOV_CR0, Cr0.PE | Cr0.PG | Cr0.WP);
    run(RunResult.DONE);
  }

  void run(RunResult expected) {
    assertThat(domain.vcpu(0).run(block)).as("%s", domain.crashReason()).isEqualTo(expected);
    assertThat(domain.paging().audit()).isEmpty();
  }
}
