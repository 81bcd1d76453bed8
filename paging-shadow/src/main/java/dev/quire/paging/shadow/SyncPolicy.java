// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import java.util.List;

/**
 * Which tables the guest may write itself, and when their shadows are brought up to date: that is
 * what tells the generations of shadow paging apart. Called under the domain's lock.
 */
interface SyncPolicy {
  /**
   * Whether all vCPUs have paging on.
   *
   * @param everyVcpu only then will hardware forget translations of every vCPU's now and then
   */
  void paged(boolean everyVcpu);

  // ---- out of sync ----

  /**
   * Lets a table be written, if this kind of table may be.
   *
   * @param vcpu the number of the one that is about to write
   * @return whether it is out of sync afterwards
   */
  boolean unsync(int vcpu, @Mfn long mfn);

  /** A shadow entry lets a table be written that is out of sync. */
  void mapped(@Mfn long mfn, long place);

  /** Whether an access that writes a table may go on; otherwise it is done in its place. */
  boolean letsWrite(@Mfn long mfn, boolean byUser);

  // ---- in sync ----

  /**
   * A vCPU that has faulted is about to use these entries of its tables.
   *
   * @return whether anything was brought into sync
   */
  default boolean catchUp(GuestPath path) {
    return false;
  }

  /**
   * A shadow that exists is about to be referred to by an entry that did not lead to it, or with
   * fewer rights: no hardware holds a translation by way of that entry, so nothing old may be
   * beneath.
   *
   * @param child the shadow
   * @return whether anything was brought into sync
   */
  boolean reaching(int child);

  /**
   * A frame is about to get a shadow, or one of another type than it has.
   *
   * @return whether anything was brought into sync
   */
  boolean promoting(@Mfn long mfn);

  /** The registers that decide how tables are read are about to count. */
  void modeChanges();

  /** A vCPU loads CR3; its old roots are still there. */
  void rootsChange(int vcpu);

  /** Its new ones are. */
  default void rootsChanged(int vcpu) {}

  /**
   * A vCPU executes INVLPG.
   *
   * @return whether anything was brought into sync: the entry may have led elsewhere until now
   */
  boolean invalidate(ShadowMode mode, @Gva long linear);

  /** Writes are not logged any more. */
  default void loggingEnds() {}

  /** Frames are short: gives back what it can. */
  default void relinquish() {}

  /** What does not hold of the tables that are out of sync. */
  void audit(List<String> wrong);
}
