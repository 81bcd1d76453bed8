// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import com.sun.management.ThreadMXBean;
import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
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
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;

/**
 * A guest of four levels under shadow paging. Its frames 0 to 3 are tables; the last one maps pages
 * in a row, and itself behind them.
 */
final class ShadowedGuest {
  /** How many pages it has. */
  static final int PAGES = 256;

  private static final int TABLE = 3;
  private static final int FIRST = 16;
  private static final long LINEAR = 0x40_0000L;
  private static final long FLAGS =
      PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A | PageEntry.D;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private final Domain domain;

  /** A guest that has touched all its pages, under a backend with options. */
  ShadowedGuest(String name, Map<String, String> options) {
    MachineSpec machine =
        MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40))
            .withRam(List.of(new Ram(0, 64L << 20)))
            .withTlb(StreamMachine.GEOMETRY);
    PagingBackend backend =
        Services.first(PagingBackend.class, it -> it.name().equals(name)).with(options);
    domain =
        Services.only(HypervisorFactory.class)
            .create(Services.only(MachineFactory.class).create(machine))
            .createDomain(backend, DomainSpec.hvm(1, FIRST + PAGES));
    for (int level = 4; level > 1; level--) {
      int index = (int) (LINEAR >>> 12 + 9 * (level - 1)) & 511;
      store(4 - level, index, (long) (5 - level) << 12 | FLAGS);
    }
    for (int page = 0; page < PAGES; page++) {
      store(TABLE, page, mapping(page));
    }
    store(TABLE, PAGES, (long) TABLE << 12 | FLAGS);
    run(boot(), 1);
  }

  private void store(int table, int index, long entry) {
    domain.deviceStore(Addresses.gpa((long) table << 12 | (long) index << 3), 8, entry);
  }

  private static OperationBlock boot() {
    OperationBlock block = new OperationBlock(PAGES + 5);
    block.control(Kind.LOAD_CR4, Cr4.PAE);
    block.control(Kind.LOAD_EFER, Efer.LME | Efer.LMA | Efer.NXE);
    block.control(Kind.LOAD_CR3, 0);
    block.control(Kind.LOAD_CR0, Cr0.PG | Cr0.PE | Cr0.WP);
    for (int page = 0; page <= PAGES; page++) {
      block.load(0, page(page), 8);
    }
    return block;
  }

  /** The address of a page. */
  static @Gva long page(int page) {
    return Addresses.gva(LINEAR + ((long) page << 12));
  }

  /** The address at which the guest has the entry of a page. */
  static @Gva long entry(int page) {
    return Addresses.advance(page(PAGES), 8L * page);
  }

  /** What that entry is. */
  static long mapping(int page) {
    return (long) (FIRST + page) << 12 | FLAGS;
  }

  /**
   * What it took.
   *
   * @param nanos CPU time of the thread
   * @param exits all of them
   * @param bytes allocated
   */
  record Cost(long nanos, long exits, long bytes) {}

  /** Runs a block so many times. */
  Cost run(OperationBlock block, int rounds) {
    long exits = exits();
    long bytes = THREADS.getCurrentThreadAllocatedBytes();
    long begin = THREADS.getCurrentThreadCpuTime();
    for (int i = 0; i < rounds; i++) {
      block.next(0);
      if (domain.vcpu(0).run(block) != RunResult.DONE) {
        throw new IllegalStateException("the guest stops: " + domain.crashReason());
      }
    }
    return new Cost(
        THREADS.getCurrentThreadCpuTime() - begin,
        exits() - exits,
        THREADS.getCurrentThreadAllocatedBytes() - bytes);
  }

  private long exits() {
    long all = 0;
    for (ExitReason reason : ExitReason.values()) {
      all += domain.vcpu(0).exits(reason);
    }
    return all;
  }
}
