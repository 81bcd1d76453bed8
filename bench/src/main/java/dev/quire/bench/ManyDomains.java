// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
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
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * 10,000 domains of one vCPU at once. Each has four page tables and 16 pages; each is run once:
 * turns paging on, writes to its pages and reads them back.
 */
final class ManyDomains {
  private static final int DOMAINS = 10_000;
  private static final int PAGES = 16;
  private static final int TABLES = 4;
  private static final long LINEAR = 0x40_0000L;
  private static final long ENTRY = PageEntry.P | PageEntry.RW | PageEntry.US;

  private final Hypervisor hypervisor;
  private final PagingBackend backend = Services.nativePaging();
  private final OperationBlock block = new OperationBlock(2 * PAGES + 8);
  private final List<Domain> domains = new ArrayList<>();

  private ManyDomains() {
    MachineFactory factory = Services.only(MachineFactory.class);
    MachineSpec spec =
        MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40))
            .withRam(List.of(new Ram(0, 16L << 30)))
            .withTlb(StreamMachine.GEOMETRY);
    Machine machine = factory.create(spec);
    hypervisor = Services.only(HypervisorFactory.class).create(machine);
  }

  public static void main(String[] arguments) throws IOException {
    System.out.printf("%,d domains of one vCPU and %d pages, each run once:%n", DOMAINS, PAGES);
    Footprint footprint = Footprint.begin();
    ManyDomains many = new ManyDomains();
    for (int i = 0; i < DOMAINS; i++) {
      many.create();
    }
    many.domains.forEach(many::run);
    System.out.printf("  domains alive: %,d%n", many.domains.size());
    footprint.print();
  }

  private void create() {
    long bytes = (long) (TABLES + PAGES) * Addresses.PAGE_SIZE;
    List<Ram> memory = List.of(new Ram(domains.size() * bytes, bytes));
    Domain domain =
        hypervisor.createDomain(
            backend, new DomainSpec(1, memory, DomainSpec.Placement.IDENTITY, 0, 0, 1));
    for (int table = 0; table < TABLES - 1; table++) {
      int index = (int) (LINEAR >>> 39 - 9 * table) & 511;
      store(domain, table, index, table + 1);
    }
    for (int page = 0; page < PAGES; page++) {
      int index = (int) (LINEAR >>> 12) + page & 511;
      store(domain, TABLES - 1, index, TABLES + page);
    }
    domains.add(domain);
  }

  private static void store(Domain domain, int table, int index, int target) {
    long offset = (long) index * Long.BYTES;
    long entry = address(domain, target) | ENTRY;
    domain.deviceStore(Addresses.gpa(address(domain, table) + offset), Long.BYTES, entry);
  }

  private static long address(Domain domain, int frame) {
    return domain.spec().memory().get(0).start() + (long) frame * Addresses.PAGE_SIZE;
  }

  private void run(Domain domain) {
    block.clear();
    block.control(Kind.LOAD_CR4, Cr4.PAE);
    block.control(Kind.LOAD_EFER, Efer.LME | Efer.LMA | Efer.NXE);
    block.control(Kind.LOAD_CR3, address(domain, 0));
    block.control(Kind.LOAD_CR0, Cr0.PG | Cr0.PE | Cr0.WP);
    int first = block.size();
    for (int page = 0; page < PAGES; page++) {
      block.store(Access.of(Access.WRITE, true, false), linear(page), 8, value(domain, page));
      block.load(Access.of(0, true, false), linear(page), 8);
    }
    RunResult result = domain.vcpu(0).run(block);
    if (result != RunResult.DONE) {
      throw new IllegalStateException("domain " + domain.id() + ": " + result);
    }
    for (int page = 0; page < PAGES; page++) {
      if (block.results()[first + 2 * page + 1] != value(domain, page)) {
        throw new IllegalStateException("domain " + domain.id() + " reads another's page");
      }
    }
  }

  private static @Gva long linear(int page) {
    return Addresses.gva(LINEAR + ((long) page << 12));
  }

  private static long value(Domain domain, int page) {
    return (long) domain.id() << 8 | page;
  }
}
