// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

/**
 * Why a shadow entry is empty, or permits less than the guest's: the steps of {@code _sh_propagate}
 * in their order.
 */
enum PropagationRule {
  /** Empty, or as good as empty: the guest's entry has P = 0. */
  NOT_PRESENT("guest-not-present"),
  /** Empty: a bit is set that must be zero; the guest's own fault will say so. */
  RESERVED_BIT("guest-reserved-bit"),
  /** The same: a device that a device model emulates. */
  DEVICE("device"),
  /** Empty: the guest frame is no memory that may be read. */
  NOT_MEMORY("not-memory"),
  /** Empty: nobody has used the guest's entry; its A bit is to be set first. */
  NOT_ACCESSED("guest-not-accessed"),
  /** Empty: the table that the guest's entry refers to has no shadow yet. */
  NO_SHADOW("no-shadow-yet"),
  /** Read-only: nobody has written by the guest's entry; its D bit is to be set first. */
  NOT_DIRTY("guest-not-dirty"),
  /** Read-only: nobody has written the frame buffer for some time. */
  VIDEO_IDLE("video-idle"),
  /** Read-only: so is the guest frame, by its type. */
  READ_ONLY_TYPE("read-only-type"),
  /** Read-only: the frame is a table that has a shadow. */
  TABLE("page-table"),
  /** Read-only: the next write is to be noted in the dirty log. */
  LOG_DIRTY("log-dirty");

  private final String title;

  PropagationRule(String title) {
    this.title = title;
  }

  /** The name in reports. */
  String title() {
    return title;
  }
}
