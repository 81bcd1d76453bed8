// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.hypervisor.p2m.P2mOperation.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every sequence of operations over tables of 4 entries, breadth first, each also with each of its
 * allocations failing; what led to a state that is known already is not followed further. {@link
 * P2mRun} checks all that is to check after each step.
 */
class P2mSmallWorldTest {
  /** An operation and which allocation in it fails. */
  private record Step(P2mOperation operation, int failing) {}

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void everySequenceOfTwoKeepsEveryInvariant(P2mFormat format) {
    explore(format, 2);
  }

  @Tag("long")
  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void everySequenceOfThreeKeepsEveryInvariant(P2mFormat format) {
    explore(format, 3);
  }

  private static void explore(P2mFormat format, int bound) {
    P2mSettings settings = P2mWorld.small(format);
    List<P2mOperation> alphabet = alphabet(format);
    Set<String> states = new HashSet<>();
    ArrayDeque<List<Step>> open = new ArrayDeque<>();
    open.add(List.of());
    long steps = 0;
    long failures = 0;
    while (!open.isEmpty()) {
      List<Step> path = open.poll();
      for (P2mOperation operation : alphabet) {
        for (int failing = 0; ; failing++) {
          P2mRun run = replay(settings, path);
          String problem = run.step(operation, failing);
          assertThat(problem).as("%s then %s, failing %d", path, operation, failing).isNull();
          if (failing > run.world.allocations) {
            break; // it asked less often than that: nothing failed
          }
          steps++;
          failures += failing > 0 ? 1 : 0;
          if (states.add(fingerprint(run)) && path.size() + 1 < bound) {
            List<Step> longer = new ArrayList<>(path);
            longer.add(new Step(operation, failing));
            open.add(longer);
          }
        }
      }
    }
    System.out.printf(
        "p2m %s: sequences of up to %d of %d operations: %d states, %d steps, %d of them with an"
            + " allocation failing%n",
        format, bound, alphabet.size(), states.size(), steps, failures);
    assertThat(failures).isPositive();
  }

  private static P2mRun replay(P2mSettings settings, List<Step> path) {
    P2mRun run = new P2mRun(settings);
    for (Step step : path) {
      run.replay(step.operation(), step.failing());
    }
    return run;
  }

  /** Two runs with the same are in the same state, up to which frames the tables are in. */
  private static String fingerprint(P2mRun run) {
    StringBuilder all = new StringBuilder();
    DomainP2m p2m = run.world.p2m;
    append(run, p2m.root() >>> 12, 4, all);
    return all.append(run.model.state()).toString();
  }

  private static void append(P2mRun run, long table, int level, StringBuilder all) {
    for (int i = 0; i < 4; i++) {
      long entry = run.world.machine.memory().load(table << 12 | i << 3, 8);
      boolean leaf = level == 1 || (entry & 0x80) != 0 || (entry & 7) == 0;
      if (leaf) {
        all.append(Long.toString(entry, 36)).append(',');
      } else {
        all.append(entry >>> 52).append(entry & 0xfff).append('(');
        append(run, (entry & EntryCodec.FRAME) >>> 12, level - 1, all);
        all.append(')');
      }
    }
  }

  /** Around one mapping of each size, its neighbours and its ends. */
  private static List<P2mOperation> alphabet(P2mFormat format) {
    List<P2mOperation> all = new ArrayList<>();
    P2mType rw = P2mType.RAM_RW;
    for (int order = 0; order <= 4; order++) {
      all.add(P2mOperation.add(0, 0, order, rw));
      all.add(P2mOperation.remove(0, 0, order));
    }
    all.add(P2mOperation.add(0, 16, 4, rw)); // the same place, other frames
    all.add(P2mOperation.add(4, 0, 2, rw)); // the same frames, another place
    all.add(P2mOperation.add(1, 2, 1, rw)); // unaligned, an alias of what may be next to it
    all.add(P2mOperation.add(5, 5, 0, P2mType.RAM_RO));
    all.add(P2mOperation.remove(6, 6, 0));
    all.add(P2mOperation.set(4, 132, 2, P2mType.RAM_LOGDIRTY, P2mAccess.RWX));
    all.add(P2mOperation.set(0, 128, 4, rw, P2mAccess.RX));
    all.add(P2mOperation.set(2, -1, 0, P2mType.POPULATE_ON_DEMAND, P2mAccess.RWX));
    all.add(P2mOperation.set(0, -1, 4, P2mType.POPULATE_ON_DEMAND, P2mAccess.RWX));
    all.add(P2mOperation.change(5, P2mType.RAM_LOGDIRTY, rw));
    all.add(P2mOperation.change(1, rw, P2mType.IOREQ_SERVER));
    all.add(P2mOperation.range(0, 64, true));
    all.add(P2mOperation.range(2, 4, true));
    all.add(P2mOperation.range(3, 9, false));
    all.add(P2mOperation.global(true));
    all.add(P2mOperation.global(false));
    all.add(P2mOperation.special(5, 261, 0, P2mType.MAP_FOREIGN));
    all.add(P2mOperation.special(4, P2mWorld.DEVICE, 2, P2mType.MMIO_DIRECT));
    all.add(P2mOperation.of(Kind.CLEAR_SPECIAL, 5, 261, 0));
    all.add(P2mOperation.of(Kind.CLEAR_SPECIAL, 4, P2mWorld.DEVICE, 2));
    for (long gfn : new long[] {0, 5, 17}) {
      all.add(P2mOperation.of(Kind.RECALCULATE, gfn, 0, 0));
    }
    all.add(P2mOperation.of(Kind.SHATTER, 5, 0, 0));
    all.add(P2mOperation.of(Kind.IOREQ_SERVER, 0, 0, 1));
    all.add(P2mOperation.of(Kind.IOREQ_SERVER, 0, 0, 0));
    if (format == P2mFormat.EPT) {
      all.add(P2mOperation.of(Kind.SUPPRESS_VE, 1, 0, 0));
      all.add(P2mOperation.of(Kind.HARDWARE_LOGS, 0, 0, 1));
    }
    all.add(P2mOperation.of(Kind.DEFER, 0, 0, 0));
    return all;
  }
}
