// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigSyntax;
import dev.quire.api.guest.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The text of a configuration: a file over the defaults, and what the command line puts over both.
 */
final class ConfigText {
  /** How values are shown in messages. */
  static final ConfigRenderOptions SHORT = ConfigRenderOptions.concise();

  private static final String DEFAULTS = "quire-defaults.conf";

  private ConfigText() {}

  /**
   * Everything put together, later overrides first.
   *
   * @param file null for the defaults alone
   * @param overrides what the command line says
   */
  static Config read(@Nullable Path file, List<Assignment> overrides) {
    try {
      Config config = file == null ? ConfigFactory.empty() : parse(file);
      for (Assignment override : overrides) {
        config = parse(override).withFallback(config);
      }
      return config.withFallback(defaults()).resolve();
    } catch (ConfigException e) {
      throw new InputException(String.valueOf(e.getMessage()), e);
    }
  }

  private static Config defaults() {
    ConfigParseOptions options =
        ConfigParseOptions.defaults()
            .setAllowMissing(false)
            .setOriginDescription("Quire's defaults");
    return ConfigFactory.parseResources(ConfigText.class, DEFAULTS, options);
  }

  private static Config parse(Path file) {
    if (!Files.isRegularFile(file) || !Files.isReadable(file)) {
      throw new InputException(file + ": no such configuration file");
    }
    ConfigParseOptions options =
        ConfigParseOptions.defaults().setAllowMissing(false).setSyntax(ConfigSyntax.CONF);
    return ConfigFactory.parseFile(file.toFile(), options);
  }

  private static Config parse(Assignment assignment) {
    String value = assignment.value();
    String origin = assignment.origin();
    boolean structured = value.startsWith("[") || value.startsWith("{");
    try {
      return structured
          ? ConfigFactory.parseString(
              assignment.key() + " = " + value,
              ConfigParseOptions.defaults().setOriginDescription(origin))
          : ConfigFactory.parseMap(Map.of(assignment.key(), value), origin);
    } catch (ConfigException e) {
      String message = String.valueOf(e.getMessage());
      throw new InputException(message.startsWith(origin) ? message : origin + ": " + message, e);
    }
  }
}
