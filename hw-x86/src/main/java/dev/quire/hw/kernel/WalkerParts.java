// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.x86.PagingFormat;
import dev.quire.hw.memory.SparseMemory;
import org.jspecify.annotations.Nullable;

/**
 * The constants of a {@link TableWalker}.
 *
 * @param format of the tables
 * @param memory where tables lie
 * @param hardware what a CPU's walker has besides; null for a walker in software
 */
public record WalkerParts(PagingFormat format, SparseMemory memory, @Nullable Hardware hardware) {

  /**
   * What makes a walker a CPU's.
   *
   * @param context the CPU's own
   * @param structures its paging-structure caches
   * @param counters its counters
   * @param nested the second dimension; null if tables hold machine addresses
   * @param switching whether a walk is in the first dimension until a marked entry of the root
   */
  public record Hardware(
      PagingContext context,
      StructureCaches structures,
      Counters counters,
      @Nullable NestedDimension nested,
      boolean switching) {}
}
