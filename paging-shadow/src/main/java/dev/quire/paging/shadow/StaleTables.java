// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Mfn;

/**
 * Which tables are out of sync: the guest writes them itself, and their shadows stand for what they
 * were when that began. Of each there is a snapshot: entry by entry what its shadow was made from,
 * where the shadow's entry is not empty.
 */
interface StaleTables {
  /** Whether any table is out of sync. */
  boolean any();

  /** Whether the guest may be writing a table itself. */
  boolean isOutOfSync(@Mfn long mfn);

  /** Whether new mappings may let a table be written ({@code oos_may_write}). */
  boolean mayWrite(@Mfn long mfn);

  /** The table is in sync, or no table any more. */
  void vacate(@Mfn long mfn);

  /** An entry of a table that is out of sync, as the shadow has it. */
  long entry(ShadowKind kind, @Mfn long mfn, int index);

  /** The shadow has such an entry from now on; nothing happens if the table is in sync. */
  void entry(ShadowKind kind, @Mfn long mfn, int index, long entry);
}
