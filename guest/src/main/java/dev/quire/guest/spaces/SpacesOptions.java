// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.spaces;

import dev.quire.api.guest.InputException;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a configuration can say about the address spaces.
 *
 * @param spaces how many there are
 * @param pages how many pages each has of its own
 * @param switches how often the kernel goes from one to the next
 * @param pinned whether their tables are pinned
 * @param swapEvery so many switches lie between two swaps of the backend; 0 for none
 */
record SpacesOptions(int spaces, int pages, int switches, boolean pinned, int swapEvery) {
  private static final Set<String> KNOWN =
      Set.of("spaces", "pages", "switches", "pinned", "swap-every");
  private static final int MOST_SPACES = 10_000;
  private static final int MOST_PAGES = 512;

  static SpacesOptions of(Map<String, String> options) {
    Set<String> unknown = new TreeSet<>(options.keySet());
    unknown.removeAll(KNOWN);
    if (!unknown.isEmpty()) {
      throw new InputException(
          "pv-spaces knows no option "
              + String.join(", ", unknown)
              + "; there are: "
              + String.join(", ", new TreeSet<>(KNOWN)));
    }
    return new SpacesOptions(
        number(options, "spaces", "100", MOST_SPACES),
        number(options, "pages", "8", MOST_PAGES),
        number(options, "switches", "10000", Integer.MAX_VALUE),
        pinned(options.getOrDefault("pinned", "true")),
        options.containsKey("swap-every")
            ? number(options, "swap-every", "1", Integer.MAX_VALUE)
            : 0);
  }

  private static boolean pinned(String text) {
    if (!text.equals("true") && !text.equals("false")) {
      throw new InputException("option pinned: there are true and false");
    }
    return text.equals("true");
  }

  private static int number(Map<String, String> options, String key, String other, int most) {
    String text = options.getOrDefault(key, other);
    try {
      int value = Integer.parseInt(text);
      if (value >= 1 && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw new InputException("option " + key + ": a number from 1 to " + most + " is wanted");
  }

  /** Frames of memory that such a guest needs, with what it begins with. */
  long frames() {
    long own = (long) spaces * (SpacesWorkload.TABLES + pages) + PvKernel.RESERVED;
    return (own * 102 / 100 + 511) / 512 * 512; // the bootstrap tables and lists are part of it
  }
}
