// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.walks;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.guest.InputException;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Walks to pages of each size, one at a time, and counts the memory references of each by
 * dimension.
 *
 * <ul>
 *   <li><em>cold</em>: no TLB or paging-structure cache holds anything
 *   <li><em>warm</em>: a walk to the page behind that one, by the same tables, right afterwards
 * </ul>
 *
 * All A and D bits are set beforehand, and every page has been reached before.
 */
final class WalksWorkload implements Workload {
  private static final List<String> SIZES = List.of("4K", "2M", "1G");
  private static final long ENTRY =
      PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A | PageEntry.D;

  private static final long CR0 = 0x8001_0011L; // PG, WP, ET, PE
  private static final long CR4 = 0x20; // PAE
  private static final long CR4_LA57 = 0x1020;
  private static final long EFER = 0xD00; // NXE, LMA, LME

  private final WalksOptions options;
  private final Layout layout;
  private final OperationBlock block = new OperationBlock(8);
  private final Map<String, Object> facts = new LinkedHashMap<>();
  private final List<String> failures = new ArrayList<>();

  WalksWorkload(WalksOptions options) {
    this.options = options;
    layout = new Layout(options);
  }

  @Override
  public Needs needs() {
    return new Needs(layout.memory(), 1);
  }

  @Override
  public WorkloadReport run(Domain domain, Toolstack toolstack, WorkloadMonitor monitor) {
    check(domain.machine().profile());
    PagingFormat format =
        options.guestLevels() == 5 ? PagingFormat.FIVE_LEVEL : PagingFormat.FOUR_LEVEL;
    for (int level = 1; level <= SIZES.size(); level++) {
      if (level < 3 || domain.machine().profile().has(Feature.PAGE_1G)) {
        tables(domain, format, level);
        registers(domain.vcpu(0));
        measure(domain, SIZES.get(level - 1), 1L << format.shift(level));
      }
    }
    return new WorkloadReport(failures.size(), failures, facts, true);
  }

  private void check(CpuProfile profile) {
    if (layout.physicalBits() > profile.physicalBits()) {
      throw new InputException(
          "walks needs guest-physical addresses of "
              + layout.physicalBits()
              + " bits, and machine.maxphyaddr is "
              + profile.physicalBits());
    }
    if (options.guestLevels() == 5 && !profile.has(Feature.LA57)) {
      throw new InputException("walks: guest-levels = 5 needs machine.features with la57");
    }
  }

  /** Two pages in a row, mapped by entries of {@code leaf}. */
  private void tables(Domain domain, PagingFormat format, int leaf) {
    for (int level = format.levels(); level > leaf; level--) {
      entry(domain, level, 0, layout.table(level - 1) | ENTRY);
    }
    long big = leaf > 1 ? PageEntry.PS : 0;
    for (int i = 0; i < 2; i++) {
      entry(domain, leaf, i, layout.page((long) i << format.shift(leaf)) | ENTRY | big);
    }
  }

  private void entry(Domain domain, int level, int index, long value) {
    @Gpa long at = Addresses.advance(layout.table(level), index * 8L);
    domain.deviceStore(at, Long.BYTES, value);
  }

  private void registers(Vcpu vcpu) {
    block.clear();
    block.control(Kind.LOAD_CR0, CR0);
    block.control(Kind.LOAD_CR4, options.guestLevels() == 5 ? CR4_LA57 : CR4);
    block.control(Kind.LOAD_EFER, EFER);
    block.control(Kind.LOAD_CR3, layout.table(options.guestLevels()));
    run(vcpu, "setting registers");
  }

  private void measure(Domain domain, String size, long bytes) {
    @Gva long first = Addresses.gva(0);
    @Gva long second = Addresses.gva(bytes);
    access(domain, first);
    access(domain, second);
    domain.machine().cpu(0).flush();
    tell(size + " cold", access(domain, first));
    tell(size + " warm", access(domain, second));
  }

  /** The counters of one access. */
  private Counters access(Domain domain, @Gva long linear) {
    Counters all = domain.machine().cpu(0).counters();
    Counters before = new Counters();
    before.add(all);
    block.clear();
    block.probe(Access.of(Access.WRITE, false, false), linear);
    run(domain.vcpu(0), String.format("an access to 0x%x", linear));
    Counters difference = new Counters();
    difference.add(all);
    for (int i = 0; i < difference.values().length; i++) {
      difference.values()[i] -= before.values()[i];
    }
    return difference;
  }

  private void run(Vcpu vcpu, String what) {
    RunResult result = vcpu.run(block);
    if (result != RunResult.DONE) {
      failures.add(what + " ended with " + result);
    }
  }

  private void tell(String what, Counters counters) {
    long guest = 0;
    for (int level = 1; level < Counters.LEVELS; level++) {
      guest += counters.references(level, 0);
    }
    facts.put(what, counters.references());
    facts.put("  " + what + ", guest tables", guest);
    facts.put("  " + what + ", nested tables", counters.references() - guest);
  }

  @Override
  public void close() {
    // holds nothing
  }
}
