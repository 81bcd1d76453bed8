// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import dev.quire.api.guest.InputException;

/**
 * A value that can turn out to be wrong only later, when the bundles are there, and where it was
 * written.
 *
 * @param value what the configuration says
 * @param place file, line and key, for messages
 */
public record Setting<T>(T value, String place) {
  /** A user's mistake in this value. */
  public InputException bad(String why) {
    return new InputException(place + ": " + why);
  }

  /** The same, with what lies behind it. */
  public InputException bad(String why, Throwable cause) {
    return new InputException(place + ": " + why, cause);
  }
}
