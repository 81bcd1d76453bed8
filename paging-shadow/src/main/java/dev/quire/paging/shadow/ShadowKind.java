// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.x86.PagingFormat;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The kinds of shadow pages: of each kind of guest table one, and of each size of guest superpage
 * one that stands for the table the guest does not have ({@code SH_type_*}; the F stands for fake).
 * Hardware tables have 8-byte entries, so the shadow of a 2-level guest's table is more than one
 * page.
 *
 * <p>A kind and the registers that decide how an entry is read (CR4.PSE or EFER.NXE, as the format
 * has it) make a <em>type</em>: vCPUs that read the same table differently have shadows of their
 * own of it. Xen has one type for both, which its sources call an unsolved problem.
 */
enum ShadowKind {
  L1_32(PagingFormat.TWO_LEVEL, 1, 2, null, null),
  FL1_32(PagingFormat.TWO_LEVEL, 1, 2, null, null),
  L2_32(PagingFormat.TWO_LEVEL, 2, 4, L1_32, FL1_32),
  L1_PAE(PagingFormat.PAE, 1, 1, null, null),
  FL1_PAE(PagingFormat.PAE, 1, 1, null, null),
  L2_PAE(PagingFormat.PAE, 2, 1, L1_PAE, FL1_PAE),
  L1_64(PagingFormat.FOUR_LEVEL, 1, 1, null, null),
  FL1_64(PagingFormat.FOUR_LEVEL, 1, 1, null, null),
  L2_64(PagingFormat.FOUR_LEVEL, 2, 1, L1_64, FL1_64),
  FL2_64(PagingFormat.FOUR_LEVEL, 2, 1, null, FL1_64),
  L3_64(PagingFormat.FOUR_LEVEL, 3, 1, L2_64, FL2_64),
  L4_64(PagingFormat.FOUR_LEVEL, 4, 1, L3_64, null),
  L5_64(PagingFormat.FIVE_LEVEL, 5, 1, L4_64, null);

  /** How many types there are; a type fits into the bits of an int. */
  static final int TYPES = 2 * values().length;

  /** Pages of the largest shadow. */
  static final int MOST_PAGES = 4;

  /** The highest level. */
  static final int MOST_LEVELS = 5;

  /** CR4.PSE, in the role of a vCPU. */
  static final int ROLE_PSE = 1;

  /** EFER.NXE, in the role of a vCPU. */
  static final int ROLE_NX = 1 << 1;

  private static final ShadowKind[] ALL = values();

  private final PagingFormat format;
  private final int level;
  private final int pages;
  private final @Nullable ShadowKind table;
  private final @Nullable ShadowKind splinters;

  ShadowKind(
      PagingFormat format,
      int level,
      int pages,
      @Nullable ShadowKind table,
      @Nullable ShadowKind splinters) {
    this.format = format;
    this.level = level;
    this.pages = pages;
    this.table = table;
    this.splinters = splinters;
  }

  /** The kind of a type. */
  static ShadowKind of(int type) {
    return ALL[type >>> 1];
  }

  /** The type that this kind has for a vCPU with these roles. */
  int type(int roles) {
    return ordinal() << 1 | ((roles & roleBit()) != 0 ? 1 : 0);
  }

  /** The roles that a type was made for. */
  static int roles(int type) {
    return (type & 1) != 0 ? of(type).roleBit() : 0;
  }

  /** Which role the reading of the entries depends on; 0 where none is read, or none matters. */
  private int roleBit() {
    if (isSplinter() || this == L1_32) {
      return 0;
    }
    return format.entryBytes() == 4 ? ROLE_PSE : ROLE_NX;
  }

  /** The name in reports. */
  String title() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Whether it stands for a table that the guest does not have. */
  boolean isSplinter() {
    return this == FL1_32 || this == FL1_PAE || this == FL1_64 || this == FL2_64;
  }

  /** The format of the guest's tables. */
  PagingFormat format() {
    return format;
  }

  /** The guest's level, which is also the hardware's. */
  int level() {
    return level;
  }

  /** How many pages a shadow has. */
  int pages() {
    return pages;
  }

  /** How many shadow entries stand for one guest entry: 2 where a guest's entry covers 4 MiB. */
  int entriesPerGuestEntry() {
    return this == L2_32 ? 2 : 1;
  }

  /** How many entries the guest's table has, or would have. */
  int guestEntries() {
    return format.entryBytes() == 4 ? 1024 : 512;
  }

  /** What an entry refers to that refers to a table; null if entries map pages only. */
  @Nullable ShadowKind table() {
    return table;
  }

  /** What an entry refers to that maps a superpage; null if none may. */
  @Nullable ShadowKind splinters() {
    return splinters;
  }

  /** Whether the shadow entries map data pages. */
  boolean isLast() {
    return level == 1;
  }
}
