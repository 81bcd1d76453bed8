// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.paging.PagingBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Two worlds of which the same steps are made. The domains of one stay on their own tables. Those
 * of the other go to another backend and back, now and then; while they are there every write is
 * logged, and the log is read and cleaned, as for a live migration. Nobody in the worlds must see a
 * difference, not even by an A or D bit: the machines cache nothing.
 */
final class SwappedWorld implements PvWorld {
  /** Rounds of the dirty log between two swaps. */
  private static final int ROUNDS = 4;

  private final TortureWorld plain;
  private final TortureWorld swapped;
  private final PagingBackend direct;
  private final PagingBackend other;
  private final MigrationLog log;
  private final int every;
  private int steps;
  private boolean away;
  private long swaps;

  /**
   * Two worlds that are alike.
   *
   * @param direct what all domains begin with
   * @param other what those of the second are swapped to
   * @param every so many steps lie between two swaps
   */
  SwappedWorld(
      TortureWorld plain,
      TortureWorld swapped,
      PagingBackend direct,
      PagingBackend other,
      int every) {
    this.plain = plain;
    this.swapped = swapped;
    this.direct = direct;
    this.other = other;
    this.every = every;
    log = new MigrationLog(swapped);
  }

  @Override
  public @Nullable String perform(TortureStep it) {
    String wrong = plain.perform(it);
    if (wrong != null) {
      return wrong;
    }
    wrong = swapped.perform(it);
    if (wrong != null) {
      return "after " + swaps + " swaps: " + wrong;
    }
    String one = plain.outcome(it);
    String two = swapped.outcome(it);
    if (!one.equals(two)) {
      return String.format("under %s %s; under %s %s", direct.name(), one, backend().name(), two);
    }
    log.made(it);
    steps++;
    if (isSpent()) {
      return null;
    }
    wrong = away && steps % Math.max(1, every / ROUNDS) == 0 ? log.round() : null;
    return wrong == null && steps % every == 0 ? swap() : wrong;
  }

  private PagingBackend backend() {
    return away ? other : direct;
  }

  private @Nullable String swap() {
    String wrong = away ? log.end() : null;
    away = !away;
    swapped.swap(backend());
    swaps++;
    if (away) {
      log.begin();
    }
    List<String> audit = wrong == null ? swapped.audit() : List.of(wrong);
    return audit.isEmpty() ? null : "after swap " + swaps + ": " + String.join("; ", audit);
  }

  @Override
  public boolean isSpent() {
    return plain.isSpent() || swapped.isSpent();
  }

  @Override
  public List<String> audit() {
    List<String> wrong = new ArrayList<>(plain.audit());
    swapped.audit().forEach(it -> wrong.add("under " + backend().name() + ": " + it));
    wrong.addAll(plain.differences(swapped));
    return wrong;
  }

  @Override
  public Map<String, Long> counts() {
    Map<String, Long> counts = swapped.counts();
    counts.merge("swaps", swaps, Long::sum);
    log.counts().forEach((name, count) -> counts.merge(name, count, Long::sum));
    return counts;
  }

  @Override
  public List<String> end() {
    List<String> wrong = new ArrayList<>(plain.end());
    wrong.addAll(swapped.end());
    return wrong;
  }
}
