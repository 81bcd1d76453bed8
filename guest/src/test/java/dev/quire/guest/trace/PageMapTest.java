// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PageMapTest {
  private static long[] operation(long page) {
    return new long[] {page << 12 & (1L << 57) - 1};
  }

  @Test
  void answersWhatWasPutLast() {
    Random random = new Random(3);
    PageMap map = new PageMap();
    Map<Long, Long> model = new HashMap<>();
    long[] place = new long[1];
    for (int i = 0; i < 300_000; i++) {
      // Every 1024th page shares a place in the cache; negative ones are kernel addresses.
      long page = random.nextInt(3000) * 1024L * (random.nextBoolean() ? 1 : -1) >>> 12;
      if (random.nextInt(3) == 0) {
        long physical = random.nextLong() >>> 24;
        map.put(page, physical);
        model.put(page, physical);
      }
      boolean known = map.places(operation(page), place, 0, 1);
      assertThat(known).isEqualTo(model.containsKey(page));
      if (known) {
        assertThat(place[0]).isEqualTo(model.get(page) << 12);
      }
    }
  }
}
