// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.guest.InputException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a configuration can say about a replay.
 *
 * @param trace the recording
 * @param checkAd whether page-table memory is compared too
 * @param until after how many records the run ends
 * @param at the record whose walk is to be explained
 * @param instruction the instruction count whose nearest record is to be explained
 * @param linear the address to explain there instead of the record's own
 */
record ReplayOptions(
    Path trace,
    boolean checkAd,
    long until,
    OptionalLong at,
    OptionalLong instruction,
    OptionalLong linear) {

  private static final Set<String> KNOWN =
      Set.of("trace", "check-ad", "until", "at", "instruction", "va");

  static ReplayOptions of(Map<String, String> options) {
    Set<String> unknown = new TreeSet<>(options.keySet());
    unknown.removeAll(KNOWN);
    if (!unknown.isEmpty()) {
      throw new InputException(
          "replay knows no option "
              + String.join(", ", unknown)
              + "; there are: "
              + String.join(", ", new TreeSet<>(KNOWN)));
    }
    OptionalLong at = number(options, "at", 10);
    OptionalLong instruction = number(options, "instruction", 10);
    if (at.isPresent() && instruction.isPresent()) {
      throw new InputException("option at and option instruction exclude each other");
    }
    OptionalLong linear = number(options, "va", 16);
    if (linear.isPresent() && at.isEmpty() && instruction.isEmpty()) {
      throw new InputException("option va goes with option at or option instruction");
    }
    return new ReplayOptions(
        trace(options.get("trace")),
        flag(options.getOrDefault("check-ad", "false")),
        number(options, "until", 10).orElse(Long.MAX_VALUE),
        at,
        instruction,
        linear);
  }

  /** Whether one walk is to be explained. */
  boolean explains() {
    return at.isPresent() || instruction.isPresent();
  }

  private static Path trace(@org.jspecify.annotations.Nullable String name) {
    if (name == null) {
      throw new InputException("option trace is missing: the recording to replay");
    }
    try {
      return Path.of(name);
    } catch (InvalidPathException e) {
      throw new InputException("option trace: " + e.getMessage(), e);
    }
  }

  private static boolean flag(String text) {
    return switch (text) {
      case "true", "yes", "on" -> true;
      case "false", "no", "off" -> false;
      default -> throw new InputException("option check-ad: \"" + text + "\" is not true or false");
    };
  }

  private static OptionalLong number(Map<String, String> options, String key, int radix) {
    String text = options.get(key);
    if (text == null) {
      return OptionalLong.empty();
    }
    try {
      String digits = radix == 16 && text.startsWith("0x") ? text.substring(2) : text;
      long value = Long.parseUnsignedLong(digits.replace("_", ""), radix);
      if (radix == 10 && value < 0) {
        throw new NumberFormatException("too large");
      }
      return OptionalLong.of(value);
    } catch (NumberFormatException e) {
      throw new InputException("option " + key + ": \"" + text + "\" is not a number", e);
    }
  }
}
