// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import dev.quire.api.guest.InputException;

/**
 * A key that the command line puts over a configuration.
 *
 * @param key path of the key
 * @param value what it is set to, as text; a list or section in HOCON if it begins like one
 * @param origin the option as the user wrote it, for messages
 */
public record Assignment(String key, String value, String origin) {
  /** What {@code --set KEY=VALUE} says. */
  public static Assignment set(String text) {
    String origin = "--set " + text;
    int equals = text.indexOf('=');
    if (equals < 1) {
      throw new InputException(origin + ": KEY=VALUE is wanted");
    }
    return new Assignment(
        text.substring(0, equals).strip(), text.substring(equals + 1).strip(), origin);
  }
}
