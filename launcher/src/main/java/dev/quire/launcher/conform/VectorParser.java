// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.address.Addresses;
import dev.quire.api.x86.Access;
import dev.quire.launcher.conform.WalkVector.Expected;
import dev.quire.launcher.conform.WalkVector.Nested;
import dev.quire.launcher.conform.WalkVector.RegisterValues;
import dev.quire.launcher.conform.WalkVector.TableEntry;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** Reads the fields of one vector, in whatever order they come. */
final class VectorParser {
  /** Fields that say nothing which a check depends on. */
  private static final Set<String> INFORMATIVE =
      Set.of("tag", "src", "norm", "guest", "bochs_deviation");

  /** The class of vectors in which no emulator did what the manual says. */
  private static final String UPDATE_REFUSED = "ept-guest-ad-update";

  private static final Set<String> EMULATORS = Set.of("qemu", "bochs");

  private final JsonParser json;
  private final Map<String, Long> numbers = new HashMap<>();
  private final Map<String, String> texts = new HashMap<>();
  private final Map<String, Expected> outcomes = new HashMap<>();
  private final Map<String, Map<Long, Long>> changes = new HashMap<>();
  private final List<TableEntry> entries = new ArrayList<>();
  private final List<TableEntry> nestedEntries = new ArrayList<>();
  private final List<Long> pdptes = new ArrayList<>();
  private List<Map<Long, Long>> after = List.of();

  /** The parser stands at the start of the vector's object. */
  VectorParser(JsonParser json) {
    this.json = json;
  }

  WalkVector parse() {
    int line = json.currentTokenLocation().getLineNr();
    while (json.nextToken() == JsonToken.PROPERTY_NAME) {
      String field = json.currentName();
      json.nextToken();
      field(field);
    }
    String access = text("access");
    boolean user = number("cpl") == 3;
    return new WalkVector(
        line,
        text("id"),
        mode(),
        (int) number("maxphyaddr"),
        new RegisterValues(
            number("cr0"), number("cr3"), number("cr4"), number("efer"), (int) number("pkru")),
        Addresses.gva(number("va")),
        Access.of(kind(access), user, number("ac") != 0),
        entries,
        nested(),
        expected(),
        permitted());
  }

  private void field(String field) {
    switch (field) {
      case "id", "mode", "access", "recorder_verdict", "class" ->
          texts.put(field, json.getString());
      case "maxphyaddr", "ac", "cpl" -> numbers.put(field, json.getLongValue());
      case "cr0", "cr3", "cr4", "efer", "pkru", "va", "ncr3", "hefer", "eptp", "qual_ignore" ->
          numbers.put(field, hex());
      case "mem" -> entries(entries);
      case "nmem" -> entries(nestedEntries);
      case "pdpte" -> pdptes();
      case "expect", "qemu", "bochs", "sanity_model" -> outcome(field);
      case "after" -> after = List.of(changes());
      case "after_alt" -> after = variants();
      case "qemu_after", "bochs_after" -> changes.put(field, changes());
      default -> {
        if (!INFORMATIVE.contains(field)) {
          throw new IllegalArgumentException("no such field: " + field);
        }
        json.skipChildren();
      }
    }
  }

  private long number(String field) {
    Long value = numbers.get(field);
    if (value == null) {
      throw new IllegalArgumentException("field " + field + " is missing");
    }
    return value;
  }

  private String text(String field) {
    String value = texts.get(field);
    if (value == null) {
      throw new IllegalArgumentException("field " + field + " is missing");
    }
    return value;
  }

  private String mode() {
    String mode = text("mode");
    if (!WalkVector.ONE_DIMENSION.contains(mode) && !WalkVector.TWO_DIMENSIONS.contains(mode)) {
      throw new IllegalArgumentException("no such mode: " + mode);
    }
    return mode;
  }

  private static long kind(String access) {
    return switch (access) {
      case "r" -> 0;
      case "w" -> Access.WRITE;
      case "x" -> Access.FETCH;
      default -> throw new IllegalArgumentException("access " + access + ": not r, w or x");
    };
  }

  private long hex() {
    return Long.parseUnsignedLong(json.getString(), 16);
  }

  private void start(JsonToken wanted) {
    if (json.currentToken() != wanted) {
      throw new IllegalArgumentException(json.currentToken() + " in the place of " + wanted);
    }
  }

  private Optional<Nested> nested() {
    return switch (text("mode")) {
      case "npt" -> Optional.of(new Nested(nestedEntries, number("ncr3"), number("hefer"), pdptes));
      case "ept" -> Optional.of(new Nested(nestedEntries, number("eptp"), 0, pdptes));
      default -> Optional.empty();
    };
  }

  private void pdptes() {
    start(JsonToken.START_ARRAY);
    while (json.nextToken() != JsonToken.END_ARRAY) {
      pdptes.add(hex());
    }
  }

  private void entries(List<TableEntry> into) {
    start(JsonToken.START_ARRAY);
    while (json.nextToken() == JsonToken.START_ARRAY) {
      json.nextToken();
      long address = hex();
      json.nextToken();
      long value = hex();
      json.nextToken();
      into.add(new TableEntry(address, value, json.getIntValue()));
      json.nextToken();
    }
  }

  private Map<Long, Long> changes() {
    start(JsonToken.START_ARRAY);
    Map<Long, Long> changed = new HashMap<>();
    while (json.nextToken() == JsonToken.START_ARRAY) {
      json.nextToken();
      long address = hex();
      json.nextToken();
      changed.put(address, hex());
      json.nextToken();
    }
    return changed;
  }

  private List<Map<Long, Long>> variants() {
    start(JsonToken.START_OBJECT);
    List<Map<Long, Long>> variants = new ArrayList<>();
    while (json.nextToken() == JsonToken.PROPERTY_NAME) {
      json.nextToken();
      variants.add(changes());
    }
    return variants;
  }

  /** One object of one property, such as {@code {"pf":{"code":"5","cr2":"1000"}}}; or null. */
  private void outcome(String field) {
    if (json.currentToken() == JsonToken.VALUE_NULL) {
      return;
    }
    start(JsonToken.START_OBJECT);
    String kind = json.nextName();
    json.nextToken();
    start(JsonToken.START_OBJECT);
    Map<String, @Nullable String> values = new HashMap<>();
    while (json.nextToken() == JsonToken.PROPERTY_NAME) {
      String name = json.currentName();
      values.put(name, json.nextToken() == JsonToken.VALUE_NULL ? null : json.getString());
    }
    json.nextToken();
    outcomes.put(field, outcome(String.valueOf(kind), values));
  }

  private static Expected outcome(String kind, Map<String, @Nullable String> values) {
    return switch (kind) {
      case "ok" -> reached(values.get("pa"), values.get("size"));
      case "pf" -> new Expected.PageFault((int) hex(values.get("code")), hex(values.get("cr2")));
      case "gp_cr3" -> new Expected.RootRefused();
      case "npf" ->
          new Expected.NestedPageFault(hex(values.get("info1")), hex(values.get("info2")), 0, 0);
      case "ept" -> extended(values);
      default -> new Expected.Unknown("the emulator lost its way");
    };
  }

  private static Expected extended(Map<String, @Nullable String> values) {
    long guestPhysical = hex(values.get("gpa"));
    if ("31".equals(values.get("reason"))) {
      return new Expected.Misconfiguration(guestPhysical);
    }
    String linear = values.get("gla");
    long qualification = hex(values.get("qual"));
    return new Expected.NestedPageFault(
        qualification, guestPhysical, linear == null ? 0 : hex(linear), 0);
  }

  private static Expected reached(@Nullable String address, @Nullable String size) {
    if ("?".equals(address)) {
      return new Expected.Unknown("the emulator reached memory that was not there");
    }
    return new Expected.Reached(hex(address), size == null ? 0 : hex(size));
  }

  private static long hex(@Nullable String value) {
    if (value == null) {
      throw new IllegalArgumentException("an outcome lacks a number");
    }
    return Long.parseUnsignedLong(value, 16);
  }

  /** What was recorded by all; where emulators disagreed, what the recorder settled on. */
  private Expected expected() {
    if (UPDATE_REFUSED.equals(texts.get("class"))) {
      return new Expected.TableUpdateRefused();
    }
    Expected manual = outcomes.get("sanity_model");
    Expected agreed = manual == null ? outcomes.get("expect") : manual;
    if (agreed instanceof Expected.NestedPageFault fault) {
      return fault.ignoring(numbers.getOrDefault("qual_ignore", 0L));
    }
    if (agreed != null) {
      return agreed;
    }
    String verdict = texts.getOrDefault("recorder_verdict", "");
    Expected settled = EMULATORS.contains(verdict) ? outcomes.get(verdict) : null;
    return settled == null ? new Expected.Unknown("no settled answer") : settled;
  }

  /** Emulators may differ in A bits when a fault is taken, and both are right; not so otherwise. */
  private List<Map<Long, Long>> permitted() {
    if (outcomes.containsKey("sanity_model") || UPDATE_REFUSED.equals(texts.get("class"))) {
      return List.of(); // what the emulator left behind belongs to its own answer
    }
    if (outcomes.containsKey("expect") || changes.isEmpty()) {
      return after;
    }
    Expected expected = expected();
    if (expected instanceof Expected.PageFault || expected instanceof Expected.NestedPageFault) {
      return List.copyOf(changes.values());
    }
    Map<Long, Long> settled = changes.get(texts.get("recorder_verdict") + "_after");
    return settled == null ? List.of() : List.of(settled);
  }
}
