// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.guest.InputException;
import dev.quire.guest.disturb.DisturbPlan;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
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
 * @param disturb what is done to the guest meanwhile
 */
record ReplayOptions(
    Path trace,
    boolean checkAd,
    long until,
    OptionalLong at,
    OptionalLong instruction,
    OptionalLong linear,
    DisturbPlan disturb) {

  private static final Set<String> KNOWN =
      Set.of(
          "trace",
          "check-ad",
          "until",
          "at",
          "instruction",
          "va",
          "disturb",
          "disturb-every",
          "swap-every",
          "swap-among",
          "audit-every");

  /** So that a boot is disturbed some thousand times. */
  private static final long DISTURB_EVERY = 4096;

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
        linear,
        disturb(options));
  }

  private static DisturbPlan disturb(Map<String, String> options) {
    OptionalLong seed = number(options, "disturb", 10);
    OptionalLong every = positive(options, "disturb-every");
    OptionalLong swapEvery = positive(options, "swap-every");
    String among = options.getOrDefault("swap-among", "");
    if (every.isPresent() && seed.isEmpty()) {
      throw new InputException("option disturb-every goes with option disturb");
    }
    if (!among.isEmpty() && seed.isEmpty() && swapEvery.isEmpty()) {
      throw new InputException("option swap-among goes with option swap-every or option disturb");
    }
    return new DisturbPlan(
        seed.orElse(1),
        seed.isPresent() ? every.orElse(DISTURB_EVERY) : 0,
        swapEvery.orElse(0),
        positive(options, "audit-every").orElse(0),
        among.isEmpty() ? List.of() : List.of(among.split(",", -1)));
  }

  private static OptionalLong positive(Map<String, String> options, String key) {
    OptionalLong number = number(options, key, 10);
    if (number.isPresent() && number.getAsLong() == 0) {
      throw new InputException("option " + key + ": 0 operations are none");
    }
    return number;
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
