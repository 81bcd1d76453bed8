// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.launcher.report.CounterGroups.Group;
import dev.quire.launcher.report.CounterGroups.TlbRow;
import dev.quire.launcher.run.Outcome;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The report of one run for people: what ran, on what, whether it was right, what it cost. */
public final class TextReport {
  private static final int WIDTH = 100;
  private static final int LABEL = 25;

  private final PrintWriter out;
  private final int differences;

  /**
   * A report.
   *
   * @param differences how many differences are shown
   */
  public TextReport(PrintWriter out, int differences) {
    this.out = out;
    this.differences = differences;
  }

  /** Prints everything. */
  public void print(Outcome outcome) {
    whatRan(outcome);
    result(outcome);
    facts(outcome.report().facts());
    Counters total = outcome.total();
    tlb(total, outcome.report().ratesMeaningful());
    groups(total);
    walks(total, outcome.report().ratesMeaningful());
    dimensions(total);
    new DomainText(this::line, this::wrapped).print(outcome.domain());
    time(outcome, total);
    out.flush();
  }

  /** Prints what an explaining run says: where it stopped and the walk there. */
  public static void explain(PrintWriter out, Outcome outcome) {
    outcome
        .report()
        .facts()
        .forEach((name, value) -> out.println(name + ": " + Numbers.show(value)));
    outcome.report().explanations().forEach(out::println);
    out.flush();
  }

  private void whatRan(Outcome outcome) {
    MachineSpec machine = outcome.machine();
    line("workload", outcome.workload() + " " + options(outcome.options()));
    line(
        "machine",
        String.format(
            Locale.ROOT,
            "%s, MAXPHYADDR %d, %d CPU%s, %s RAM, seed %d",
            machine.profile().vendor() == Vendor.INTEL ? "Intel" : "AMD",
            machine.profile().physicalBits(),
            machine.cpus(),
            machine.cpus() == 1 ? "" : "s",
            Numbers.bytes(machine.ram().stream().mapToLong(Ram::length).sum()),
            machine.seed()));
    tlbs(outcome);
    line(
        "paging",
        outcome.backend().name()
            + "  ("
            + outcome.backend().bundle()
            + " "
            + outcome.backend().version()
            + ")");
    out.println();
  }

  private void tlbs(Outcome outcome) {
    TlbGeometry tlb = outcome.machine().tlb();
    if (tlb == null || outcome.machine().cache() != null) {
      line("TLBs", outcome.tlb());
      return;
    }
    line("TLBs", outcome.tlb() + ", " + tlb.replacement());
    GeometryText.lines(tlb).forEach(it -> line("", it));
  }

  private static String options(Map<String, String> options) {
    List<String> parts = new ArrayList<>();
    options.forEach((key, value) -> parts.add(key + "=" + value));
    return String.join(" ", parts);
  }

  private void result(Outcome outcome) {
    long count = outcome.report().differences();
    out.printf(Locale.ROOT, "RESULT  %,d difference%s%n", count, count == 1 ? "" : "s");
    if (outcome.crash() != null) {
      out.println("        the domain crashed: " + outcome.crash());
    }
    differences(out, outcome, differences);
    out.println();
  }

  /** The first differences, each with its explanation. */
  static void differences(PrintWriter out, Outcome outcome, int most) {
    List<String> explanations = outcome.report().explanations();
    for (String one : explanations.subList(0, Math.min(most, explanations.size()))) {
      out.println(one.indent(2).stripTrailing());
    }
    long rest = outcome.report().differences() - Math.min(most, explanations.size());
    if (rest > 0 && outcome.report().differences() > 0) {
      out.printf(Locale.ROOT, "  ... and %,d more%n", rest);
    }
  }

  /** A workload's names may be longer than ours: their column is as wide as they need. */
  private void facts(Map<String, Object> facts) {
    int longest = facts.keySet().stream().mapToInt(String::length).max().orElse(0);
    int width = Math.max(LABEL, longest + 2);
    facts.forEach(
        (name, value) ->
            out.println(String.format("%-" + width + "s", name) + Numbers.show(value)));
    if (!facts.isEmpty()) {
      out.println();
    }
  }

  private void tlb(Counters total, boolean rates) {
    List<TlbRow> used = CounterGroups.TLB.stream().filter(row -> lookups(row, total) > 0).toList();
    if (used.isEmpty()) {
      return;
    }
    StringBuilder head = new StringBuilder(pad("TLB hits by page size"));
    CounterGroups.SIZES.forEach(size -> head.append(right(size)));
    out.println(head.append(right("misses")).append(rates ? right("hit rate") : ""));
    for (TlbRow row : used) {
      StringBuilder text = new StringBuilder(pad("  " + row.title()));
      row.hits().forEach(event -> text.append(right(Numbers.grouped(total.get(event)))));
      text.append(right(Numbers.grouped(total.get(row.misses()))));
      out.println(rates ? text.append(right(hitRate(row, total))) : text);
    }
    if (!rates) {
      out.println(
          "  (no rates: the accesses are not a program's, only the ones its recorder missed)");
    }
    out.println();
  }

  private static long lookups(TlbRow row, Counters total) {
    return sum(row.hits(), total) + total.get(row.misses());
  }

  private static long sum(List<HwEvent> events, Counters total) {
    return events.stream().mapToLong(total::get).sum();
  }

  private static String hitRate(TlbRow row, Counters total) {
    double rate = 100.0 * sum(row.hits(), total) / lookups(row, total);
    return String.format(Locale.ROOT, "%.3f %%", rate);
  }

  private void groups(Counters total) {
    for (Group group : CounterGroups.GROUPS) {
      List<String> items = new ArrayList<>();
      for (HwEvent event : group.events()) {
        if (total.get(event) != 0) {
          items.add(event.title() + " " + Numbers.grouped(total.get(event)));
        }
      }
      if (!items.isEmpty()) {
        wrapped(group.title(), items);
      }
    }
  }

  private void walks(Counters total, boolean rates) {
    long references = total.references();
    long walks = total.get(HwEvent.WALKS);
    long accesses = total.get(HwEvent.ACCESSES);
    if (walks > 0) {
      line("references per walk", String.format(Locale.ROOT, "%.3f", (double) references / walks));
    }
    if (rates && accesses > 0) {
      line(
          "references per access",
          String.format(Locale.ROOT, "%.5f", (double) references / accesses));
    }
  }

  /** References by level in both dimensions, where there were two. */
  private void dimensions(Counters total) {
    if (total.references() == sum(CounterGroups.REFERENCES, total)) {
      return;
    }
    out.println();
    StringBuilder head = new StringBuilder(pad("references by level")).append(right("guest's own"));
    for (int nested = 1; nested < Counters.LEVELS; nested++) {
      head.append(right("nested " + nested));
    }
    out.println(head);
    for (int guest = Counters.LEVELS - 1; guest >= 0; guest--) {
      StringBuilder row = new StringBuilder(pad(guest == 0 ? "  final" : "  guest " + guest));
      for (int nested = 0; nested < Counters.LEVELS; nested++) {
        row.append(right(Numbers.grouped(total.references(guest, nested))));
      }
      out.println(row);
    }
  }

  private void time(Outcome outcome, Counters total) {
    long accesses = total.get(HwEvent.ACCESSES) + total.get(HwEvent.UNPAGED_ACCESSES);
    String each =
        accesses == 0
            ? ""
            : String.format(
                Locale.ROOT,
                ", %.1f ns per access, input included",
                1.0 * outcome.nanos() / accesses);
    out.println();
    line("time", String.format(Locale.ROOT, "%.2f s%s", outcome.nanos() / 1e9, each));
  }

  private void wrapped(String title, List<String> items) {
    StringBuilder text = new StringBuilder(pad(title));
    for (String item : items) {
      if (text.length() + item.length() > WIDTH && text.length() > LABEL) {
        out.println(text.toString().stripTrailing());
        text = new StringBuilder(pad(""));
      }
      text.append(item).append("   ");
    }
    out.println(text.toString().stripTrailing());
  }

  private void line(String label, String value) {
    out.println(pad(label) + value);
  }

  private static String pad(String label) {
    return String.format(Locale.ROOT, "%-" + LABEL + "s", label);
  }

  private static String right(String text) {
    return String.format(Locale.ROOT, "%15s", text);
  }
}
