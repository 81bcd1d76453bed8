// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import java.util.List;

/**
 * The shape of one kind of page tables, as data: how many levels, how wide an index and an entry
 * are, which levels can map a page. Levels are numbered from 1, the last table of a walk, upwards.
 *
 * <pre>
 *   4-level:  63....48 47......39 38......30 29......21 20......12 11........0
 *             sign     level 4    level 3    level 2    level 1    page offset
 * </pre>
 *
 * What the control registers make of a format (reserved bits, whether PS counts) is in {@link
 * PagingRules}. The width of an index is a parameter so that tests can enumerate small worlds. A
 * record, since the compiler trusts the fields of records that are constants.
 *
 * @param name what people call it: "2-level", "PAE", "4-level", "5-level"
 * @param levels how many levels a walk to a page of the smallest size passes
 * @param entryBytes size of an entry in bytes, 4 or 8
 * @param indexBits width of an index below the root
 * @param rootIndexBits width of the index of the root
 * @param linearBits width of the linear address that is translated; addresses in long mode are its
 *     sign extension
 * @param topPageLevel the highest level at which an entry may map a page
 */
public record PagingFormat(
    String name,
    int levels,
    int entryBytes,
    int indexBits,
    int rootIndexBits,
    int linearBits,
    int topPageLevel) {
  /** log2 of the page size of a level-1 entry. */
  public static final int PAGE_SHIFT = 12;

  /** 32-bit paging: two levels of 4-byte entries. SDM vol. 3, 4.3. */
  public static final PagingFormat TWO_LEVEL = new PagingFormat("2-level", 2, 4, 10, 10, 32, 2);

  /** PAE: 8-byte entries; level 3 is four registers that MOV to CR3 loads. SDM vol. 3, 4.4. */
  public static final PagingFormat PAE = new PagingFormat("PAE", 3, 8, 9, 2, 32, 2);

  /** Long mode. SDM vol. 3, 4.5; APM vol. 2, 5.3. */
  public static final PagingFormat FOUR_LEVEL = new PagingFormat("4-level", 4, 8, 9, 9, 48, 3);

  /** Long mode with CR4.LA57. SDM vol. 3, 4.5. */
  public static final PagingFormat FIVE_LEVEL = new PagingFormat("5-level", 5, 8, 9, 9, 57, 3);

  /** The formats of real CPUs. */
  public static final List<PagingFormat> ALL = List.of(TWO_LEVEL, PAE, FOUR_LEVEL, FIVE_LEVEL);

  /**
   * The same format with narrower tables: a small world for exhaustive tests.
   *
   * @param bits width of an index at every level, 1 up to the real width
   */
  public PagingFormat withIndexBits(int bits) {
    if (bits < 1 || bits > indexBits) {
      throw new IllegalArgumentException(name + " cannot have indexes of " + bits + " bits");
    }
    int rootBits = Math.min(rootIndexBits, bits);
    int linear = PAGE_SHIFT + bits * (levels - 1) + rootBits;
    String smaller = name + "/" + bits;
    return new PagingFormat(smaller, levels, entryBytes, bits, rootBits, linear, topPageLevel);
  }

  /**
   * Whether linear addresses are 64 bits wide and must be canonical; otherwise they have 32 bits.
   */
  public boolean isLongMode() {
    return levels >= 4;
  }

  /** Whether the top level is held in registers that are loaded with CR3 (PAE). */
  public boolean rootInRegisters() {
    return levels == 3;
  }

  /** log2 of what one entry of {@code level} covers: of the size of a page that it maps. */
  public int shift(int level) {
    return PAGE_SHIFT + indexBits * (level - 1);
  }

  /** How many entries a table of {@code level} has. */
  public int entries(int level) {
    return 1 << (level == levels ? rootIndexBits : indexBits);
  }

  /** Index of the entry for a linear address in its table of {@code level}. */
  public int index(long linear, int level) {
    return (int) (linear >>> shift(level)) & entries(level) - 1;
  }

  /** Whether a 64-bit linear address may be used at all: SDM vol. 1, 3.3.7.1. */
  public boolean isCanonical(long linear) {
    if (!isLongMode()) {
      return true; // such addresses have 32 bits, and wrap
    }
    int spare = 64 - linearBits;
    return linear << spare >> spare == linear;
  }

  /** The address mask of entries of this format: bits 51:12, or 31:12 with 4-byte entries. */
  public long frameMask() {
    return entryBytes == 4 ? 0xfffff000L : PageEntry.FRAME;
  }

  @Override
  public String toString() {
    return name;
  }
}
