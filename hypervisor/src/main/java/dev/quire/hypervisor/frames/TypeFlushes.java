// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.frames;

/**
 * How TLBs learn that a frame has become something else. Implemented by who knows which CPUs run
 * the owner; called with the new type committed (XSA-401).
 */
@FunctionalInterface
public interface TypeFlushes {
  /** Nobody caches anything: a table that is only computed with. */
  TypeFlushes NONE = (owner, stamp, fromTable) -> {};

  /**
   * Makes every CPU forget what it may have cached of a frame, unless it has flushed since.
   *
   * @param owner the domain
   * @param stamp when the frame's last type reference went, on the clock of {@link FlushClock}
   * @param fromTable the frame was a pagetable: a real interrupt, no assistance by the guest
   */
  void flush(int owner, int stamp, boolean fromTable);
}
