// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

/** How an operation on grants ended, as the guest reads it in the operation ({@code GNTST_*}). */
enum GrantStatus {
  /** Done. */
  OKAY(0),
  /** Refused, for any reason that has no number of its own. */
  GENERAL_ERROR(-1),
  /** There is no such domain. */
  BAD_DOMAIN(-2),
  /** There is no such grant. */
  BAD_GNTREF(-3),
  /** There is no such mapping of a grant. */
  BAD_HANDLE(-4),
  /** What the operation points to cannot be reached. */
  BAD_VIRT_ADDR(-5),
  /** The device address is another frame's. */
  BAD_DEV_ADDR(-6),
  /** There are too many mappings. */
  NO_DEVICE_SPACE(-7),
  /** The domain has no power over the other one. */
  PERMISSION_DENIED(-8),
  /** The frame is not one that could be given away. */
  BAD_PAGE(-9);

  private final int number;

  GrantStatus(int number) {
    this.number = number;
  }

  /** As the guest has it. */
  int number() {
    return number;
  }

  boolean isOkay() {
    return this == OKAY;
  }
}
