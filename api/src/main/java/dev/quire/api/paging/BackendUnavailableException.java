// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.paging;

/** A backend cannot serve a domain: the machine lacks a feature, or memory is short. */
public final class BackendUnavailableException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** With the reason, for the user. */
  public BackendUnavailableException(String reason) {
    super(reason);
  }
}
