// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import dev.quire.api.guest.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * One object of a configuration, read key by key. Every wrong value is reported with the place
 * where it stands; {@link #end} reports keys that nobody has asked for, so that the reader of a
 * section is also the list of what may be in it.
 */
final class Section {
  private final Config config;
  private final String path;
  private final ConfigOrigin origin;
  private final Set<String> known = new LinkedHashSet<>();

  private Section(ConfigObject object, String path) {
    this.config = object.toConfig();
    this.path = path;
    this.origin = object.origin();
  }

  static Section root(Config config) {
    return new Section(config.root(), "");
  }

  boolean has(String key) {
    known.add(key);
    return config.hasPath(ConfigUtil.quoteString(key));
  }

  String text(String key) {
    return read(key, "text", Config::getString);
  }

  Setting<String> named(String key) {
    return new Setting<>(text(key), place(key));
  }

  /** A file; a relative name that was written in a configuration file is relative to that file. */
  Path file(String key) {
    return Settings.fromOrigin(value(key).origin(), text(key));
  }

  boolean flag(String key) {
    return read(key, "on or off", Config::getBoolean);
  }

  long number(String key) {
    return read(key, "a whole number", Config::getLong);
  }

  int number(String key, int least, int most) {
    long value = number(key);
    if (value < least || value > most) {
      throw bad(key, value + " is not within " + least + ".." + most);
    }
    return (int) value;
  }

  /** A size in bytes, such as 640M. */
  long size(String key) {
    return read(key, "a size such as 640M", Config::getBytes);
  }

  <E extends Enum<E>> E choice(String key, Class<E> type) {
    return choice(key, text(key), type);
  }

  /** A constant of an enum, by its name in lower case with hyphens. */
  <E extends Enum<E>> E choice(String key, String written, Class<E> type) {
    for (E constant : type.getEnumConstants()) {
      if (nameOf(constant).equals(written.toLowerCase(Locale.ROOT))) {
        return constant;
      }
    }
    throw bad(key, "no \"" + written + "\"; there are: " + namesOf(type));
  }

  static String nameOf(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private static <E extends Enum<E>> String namesOf(Class<E> type) {
    return Stream.of(type.getEnumConstants())
        .map(Section::nameOf)
        .collect(Collectors.joining(", "));
  }

  boolean isList(String key) {
    return value(key).valueType() == ConfigValueType.LIST;
  }

  List<Setting<String>> texts(String key) {
    return read(key, "a list of texts", Config::getStringList).stream()
        .map(it -> new Setting<>(it, place(key)))
        .toList();
  }

  Section section(String key) {
    return new Section(read(key, "a section { ... }", Config::getObject), pathOf(key));
  }

  List<Section> sections(String key) {
    List<Section> sections = new ArrayList<>();
    for (ConfigObject object : read(key, "a list of sections { ... }", Config::getObjectList)) {
      sections.add(new Section(object, pathOf(key) + "[" + sections.size() + "]"));
    }
    return sections;
  }

  /** What nobody has asked for, as text with its origin: the options of a plug-in. */
  Map<String, ConfigValue> others() {
    Map<String, ConfigValue> others = new LinkedHashMap<>();
    config.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .filter(it -> !known.contains(it.getKey()))
        .forEach(it -> others.put(it.getKey(), it.getValue()));
    known.addAll(config.root().keySet());
    return others;
  }

  /** Reports keys that are not known. */
  void end() {
    for (Map.Entry<String, ConfigValue> entry : config.root().entrySet()) {
      if (!known.contains(entry.getKey())) {
        throw new InputException(
            placeOf(entry.getValue().origin())
                + ": "
                + pathOf(entry.getKey())
                + ": no such key; there are: "
                + String.join(", ", known));
      }
    }
  }

  InputException bad(String key, String why) {
    return new InputException(place(key) + ": " + why);
  }

  /** File, line and key. */
  String place(String key) {
    return placeOf(value(key).origin()) + ": " + pathOf(key);
  }

  /** File and line of the section itself, and its key. */
  String place() {
    return placeOf(origin) + ": " + path;
  }

  /** Where the first of its keys stands that is written in a file, and its own key. */
  Optional<String> fileAndLine() {
    return config.root().values().stream()
        .map(ConfigValue::origin)
        .filter(it -> it.filename() != null)
        .min(Comparator.comparingInt(ConfigOrigin::lineNumber))
        .map(it -> placeOf(it) + ": " + path);
  }

  static String placeOf(ConfigOrigin origin) {
    String file = origin.filename() == null ? origin.description() : origin.filename();
    return origin.lineNumber() < 1 || origin.filename() == null
        ? file
        : file + ":" + origin.lineNumber();
  }

  private ConfigValue value(String key) {
    known.add(key);
    ConfigValue value = config.root().get(key);
    if (value == null) {
      throw new InputException(place() + ": " + key + " is missing");
    }
    return value;
  }

  private String pathOf(String key) {
    return path.isEmpty() ? key : path + "." + key;
  }

  private <T> T read(String key, String wanted, BiFunction<Config, String, T> getter) {
    ConfigValue value = value(key);
    try {
      return getter.apply(config, ConfigUtil.quoteString(key));
    } catch (ConfigException e) {
      throw new InputException(
          place(key) + ": " + wanted + " is wanted, not " + value.render(ConfigText.SHORT), e);
    }
  }
}
