// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.domain.P2mFormat;
import dev.quire.api.x86.PagingFormat;

/**
 * How a p2m shall be written.
 *
 * @param format whose entries
 * @param shape levels and width of an index: {@link PagingFormat#FOUR_LEVEL}, 5-level for EPT on a
 *     machine that can, narrower tables in tests
 * @param largestSize the largest mapping: 0, 1 or 2 levels above the last table
 * @param executableSuperpages EPT: superpages may be fetched from ({@code exec_sp}); without, a
 *     fetch splits them, because of the machine-check error of XSA-304
 * @param executeOnly EPT: the machine allows fetches without reads
 */
public record P2mSettings(
    P2mFormat format,
    PagingFormat shape,
    int largestSize,
    boolean executableSuperpages,
    boolean executeOnly) {

  /** Checks that the tables can hold such mappings. */
  public P2mSettings {
    if (!shape.isLongMode() || largestSize < 0 || largestSize >= shape.topPageLevel()) {
      throw new IllegalArgumentException(
          shape + " tables with mappings of size " + largestSize + " are no p2m");
    }
  }

  /**
   * The usual: 4 levels, superpages executable.
   *
   * @param largestOrder of a mapping: 0, 9 or 18
   */
  public static P2mSettings of(P2mFormat format, int largestOrder) {
    return new P2mSettings(format, PagingFormat.FOUR_LEVEL, largestOrder / 9, true, true);
  }

  /** The same with other tables. */
  public P2mSettings withShape(PagingFormat other) {
    return new P2mSettings(format, other, largestSize, executableSuperpages, executeOnly);
  }

  /** The same in another format. */
  public P2mSettings withFormat(P2mFormat other) {
    return new P2mSettings(other, shape, largestSize, executableSuperpages, executeOnly);
  }

  /** The same with superpages that may be fetched from, or not. */
  public P2mSettings withExecutableSuperpages(boolean executable) {
    return new P2mSettings(format, shape, largestSize, executable, executeOnly);
  }
}
