// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.guest;

/**
 * A user's mistake: a bad file, option or configuration. The message names the file and the place.
 */
public final class InputException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** With one sentence for the user. */
  public InputException(String message) {
    super(message);
  }

  /** With one sentence for the user and what lies behind it. */
  public InputException(String message, Throwable cause) {
    super(message, cause);
  }
}
