// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.spaces;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.guest.InputException;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.x86.PageEntry;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A PV kernel that goes round among address spaces, each with tables and pages of its own, and
 * looks whether it finds in each what it has left there. With pinned tables a switch is a change of
 * root; without, the tables that it leaves fall apart and those that it comes to are validated
 * anew.
 */
final class SpacesWorkload implements Workload {
  /** Tables of one space, levels 4 to 1. */
  static final int TABLES = 4;

  private static final long FIRST_PAGE = 0x400000;
  private static final int FIRST_SLOT = 2;
  private static final int MOST_TOLD = 10;
  private static final long UPPER = PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A;
  private static final long LEAF = UPPER | PageEntry.D;

  private final SpacesOptions options;
  private final List<String> failures = new ArrayList<>();
  private final long[] roots;
  private long wrong;

  SpacesWorkload(SpacesOptions options) {
    this.options = options;
    roots = new long[options.spaces()];
  }

  @Override
  public Needs needs() {
    return new Needs(List.of(new Ram(0, options.frames() << 12)), 1);
  }

  @Override
  public WorkloadReport run(Domain domain, Toolstack toolstack, WorkloadMonitor monitor) {
    InterfaceDomain guest = domain.guestInterface();
    if (guest == null) {
      throw new InputException("pv-spaces needs a PV domain: domain.interface = pv");
    }
    PvKernel kernel = new PvKernel(domain.vcpu(0));
    for (int space = 0; space < roots.length; space++) {
      roots[space] = build(kernel, space);
    }
    Map<String, Long> before = guest.statistics();
    SpacesMigration migration =
        new SpacesMigration(domain, toolstack, options.swapEvery(), this::differ);
    int done = switches(kernel, migration, monitor);
    migration.end();
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("address spaces", (long) options.spaces());
    facts.put("switches", (long) done);
    guest
        .statistics()
        .forEach((name, count) -> facts.put(name, count - before.getOrDefault(name, 0L)));
    perSwitch(facts, done);
    migration.tell(facts);
    kernel.leave();
    check(guest.audit());
    return new WorkloadReport(wrong, failures, facts, true);
  }

  private static void perSwitch(Map<String, Object> facts, int done) {
    if (facts.get("entries validated") instanceof Long validated && done > 0) {
      facts.put("entries validated a switch", (double) validated / done);
    }
  }

  /** Writes the tables of a space as data, marks its pages, and pins it. */
  private long build(PvKernel kernel, int space) {
    long[] tables = new long[TABLES + 1];
    for (int level = TABLES; level > 0; level--) {
      tables[level] = kernel.allocate();
    }
    kernel.copyKernelSlots(tables[TABLES]);
    for (int level = TABLES; level > 1; level--) {
      int slot = level == 2 ? FIRST_SLOT : 0;
      long below = kernel.entry(tables[level - 1], UPPER);
      kernel.store(PvKernel.direct(tables[level]) + slot * 8L, below);
    }
    for (int page = 0; page < options.pages(); page++) {
      long frame = kernel.allocate();
      kernel.store(PvKernel.direct(frame), mark(space, page));
      kernel.store(PvKernel.direct(tables[1]) + page * 8L, kernel.entry(frame, LEAF));
    }
    for (int level = TABLES; level > 0; level--) {
      kernel.protect(tables[level], true);
    }
    if (options.pinned()) {
      kernel.pin(tables[TABLES]);
    }
    return tables[TABLES];
  }

  private static long mark(int space, int page) {
    return (long) space << 32 | page + 1L;
  }

  private int switches(PvKernel kernel, SpacesMigration migration, WorkloadMonitor monitor) {
    for (int at = 0; at < options.switches(); at++) {
      int space = at % roots.length;
      int page = at / roots.length % options.pages();
      kernel.load(roots[space], at == 0);
      visit(kernel, at, space, page);
      migration.after(at + 1);
      if ((at & 0xff) == 0 && !monitor.progress(at, options.switches())) {
        return at;
      }
    }
    return options.switches();
  }

  /** A page holds its mark, and in its second quadword the number of the switch that came last. */
  private void visit(PvKernel kernel, int at, int space, int page) {
    long linear = FIRST_PAGE + ((long) page << 12);
    long found = kernel.load(linear);
    long last = kernel.load(linear + Long.BYTES);
    int round = roots.length * options.pages();
    if (found != mark(space, page) || last != (at < round ? 0 : at - round)) {
      differ(
          String.format(
              "switch %d: page %d of space %d holds 0x%x, 0x%x", at, page, space, found, last));
    }
    kernel.store(linear + Long.BYTES, at);
  }

  private void check(List<String> audit) {
    audit.forEach(sentence -> differ("audit: " + sentence));
  }

  private void differ(String what) {
    wrong++;
    if (failures.size() < MOST_TOLD) {
      failures.add(what);
    }
  }

  @Override
  public void close() {
    // holds nothing
  }
}
