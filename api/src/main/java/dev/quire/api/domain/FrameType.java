// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

/**
 * What a machine frame may be used for while anybody relies on it: Xen's {@code PGT_*} types, by
 * their numbers. At any time a frame has one type and a count of uses; it can get another type only
 * while the count is 0.
 */
public enum FrameType {
  /** Never used as anything yet. */
  NONE("none"),
  /** Level-1 pagetable. */
  L1("l1"),
  /** Level-2 pagetable. */
  L2("l2"),
  /** Level-3 pagetable. */
  L3("l3"),
  /** Level-4 pagetable. */
  L4("l4"),
  /** Segment descriptors: GDT, LDT. */
  SEG_DESC("seg"),
  /** Shared between domains. */
  SHARED("shared"),
  /** Mapped writable. */
  WRITABLE("writable");

  private static final FrameType[] ALL = values();

  private final String title;

  FrameType(String title) {
    this.title = title;
  }

  /** The type of a number, 0 to 7. */
  public static FrameType at(int number) {
    return ALL[number];
  }

  /**
   * The pagetable type of a level.
   *
   * @param level 1 to 4
   */
  public static FrameType table(int level) {
    return ALL[level];
  }

  /** Whether frames of this type are pagetables. */
  public boolean isTable() {
    return this != NONE && ordinal() <= L4.ordinal();
  }

  /** The level of a pagetable, 1 to 4. */
  public int level() {
    return ordinal();
  }

  /** The name in reports and dumps. */
  public String title() {
    return title;
  }
}
