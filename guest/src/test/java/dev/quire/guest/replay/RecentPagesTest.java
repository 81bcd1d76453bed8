// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RecentPagesTest {
  @Test
  void remembersTheLastDistinctPagesOfManyFrames() {
    Random random = new Random(5);
    RecentPages recent = new RecentPages();
    Map<Long, List<Long>> model = new HashMap<>();
    for (int i = 0; i < 200_000; i++) {
      long frame = random.nextInt(20_000) * (random.nextBoolean() ? 1L : 0x1000);
      long page = (random.nextInt(6) - 3) * 4096L;
      recent.add(Addresses.gfn(frame), Addresses.gva(page + random.nextInt(4096)));
      List<Long> pages = model.computeIfAbsent(frame, none -> new ArrayList<>());
      pages.remove(page);
      pages.add(0, page);
      if (pages.size() > RecentPages.KEPT) {
        pages.remove(RecentPages.KEPT);
      }
    }
    model.forEach(
        (frame, pages) -> {
          assertThat(recent.count(Addresses.gfn(frame))).isEqualTo(pages.size());
          for (int age = 0; age < pages.size(); age++) {
            assertThat(recent.page(Addresses.gfn(frame), age)).isEqualTo(pages.get(age));
          }
        });
    assertThat(recent.count(Addresses.gfn(1L << 39))).isZero();
  }
}
