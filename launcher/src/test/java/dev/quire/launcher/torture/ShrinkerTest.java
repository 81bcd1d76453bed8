// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Shortening of failing sequences. */
class ShrinkerTest {
  private static final List<Integer> MANY = IntStream.range(0, 1000).boxed().toList();

  @Test
  void onlyWhatTheFailureNeedsIsLeft() {
    List<Integer> least =
        Shrinker.shrink(MANY, some -> some.containsAll(List.of(3, 500, 501, 998)));
    assertThat(least).containsExactly(3, 500, 501, 998);
  }

  @Test
  void noSingleElementCanBeLeftOut() {
    List<Integer> least =
        Shrinker.shrink(MANY, some -> some.stream().mapToInt(it -> it).sum() > 5_000);
    int sum = least.stream().mapToInt(it -> it).sum();
    assertThat(sum).isGreaterThan(5_000);
    assertThat(least).allMatch(it -> sum - it <= 5_000);
  }
}
