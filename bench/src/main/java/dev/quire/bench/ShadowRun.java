// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** What shadow paging's own work costs: one operation that makes it come out, again and again. */
@Command(
    name = "shadow",
    mixinStandardHelpOptions = true,
    description = "Cost of a shadow fault, an emulated write to a table, and a resync.")
final class ShadowRun implements Callable<Integer> {
  private static final int TIMES = 1 << 10;

  /** What the clocks themselves allocate comes out as less than this. */
  private static final double NOTHING = 0.05;

  @Option(
      names = "--rounds",
      defaultValue = "2000",
      description = "Rounds of 1024 in each measurement. ${DEFAULT-VALUE}.")
  private int rounds;

  private boolean allocates;

  private ShadowRun() {}

  @Override
  public Integer call() {
    System.out.printf("%-44s %10s %10s %8s%n", "each time", "ns", "exits", "bytes");
    ShadowedGuest lazy = new ShadowedGuest("shadow", Map.of());
    print("INVLPG and a fault, table out of sync", lazy, invalidations(lazy));
    print("a fault, a write, CR3: unsync and resync", lazy, resyncs());
    ShadowedGuest classic = new ShadowedGuest("shadow-classic", Map.of());
    print("the same, all resynced: shadow-classic", classic, resyncs());
    ShadowedGuest strict = new ShadowedGuest("shadow", Map.of("oos", "off"));
    print("an emulated write to a table", strict, writes());
    print("MOV to CR3, root kept", strict, loads());
    return allocates ? 1 : 0;
  }

  private void print(String what, ShadowedGuest guest, OperationBlock block) {
    guest.run(block, rounds); // so that everything is compiled
    ShadowedGuest.Cost cost = guest.run(block, rounds);
    double times = (double) rounds * TIMES;
    allocates |= cost.bytes() / times > NOTHING;
    System.out.printf(
        Locale.ROOT,
        "%-44s %10.1f %10.2f %8.3f%n",
        what,
        cost.nanos() / times,
        cost.exits() / times,
        cost.bytes() / times);
  }

  private static OperationBlock invalidations(ShadowedGuest guest) {
    OperationBlock first = new OperationBlock(1);
    first.store(kernel(), ShadowedGuest.entry(0), 8, ShadowedGuest.mapping(0));
    guest.run(first, 1);
    OperationBlock block = new OperationBlock(2 * TIMES);
    for (int i = 0; i < TIMES; i++) {
      int page = i % ShadowedGuest.PAGES;
      block.control(Kind.INVLPG, ShadowedGuest.page(page));
      block.load(kernel(), ShadowedGuest.page(page), 8);
    }
    return block;
  }

  private static OperationBlock resyncs() {
    OperationBlock block = new OperationBlock(2 * TIMES);
    for (int i = 0; i < TIMES; i++) {
      int page = i % ShadowedGuest.PAGES;
      block.store(kernel(), ShadowedGuest.entry(page), 8, ShadowedGuest.mapping(page));
      block.control(Kind.MOV_CR3, 0);
    }
    return block;
  }

  private static OperationBlock writes() {
    OperationBlock block = new OperationBlock(TIMES);
    for (int i = 0; i < TIMES; i++) {
      int page = i % ShadowedGuest.PAGES;
      block.store(kernel(), ShadowedGuest.entry(page), 8, ShadowedGuest.mapping(page));
    }
    return block;
  }

  private static OperationBlock loads() {
    OperationBlock block = new OperationBlock(TIMES);
    for (int i = 0; i < TIMES; i++) {
      block.control(Kind.MOV_CR3, 0);
    }
    return block;
  }

  private static long kernel() {
    return Access.of(0, false, true);
  }
}
