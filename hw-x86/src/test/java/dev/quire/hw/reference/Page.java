// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

/**
 * What a walk found.
 *
 * @param frame first physical address of the page
 * @param shift log2 of its size
 * @param level of the entry that maps it
 * @param writable R/W = 1 in all entries
 * @param user U/S = 1 in all entries
 * @param executable XD = 0 in all entries
 */
public record Page(
    long frame,
    int shift,
    int level,
    boolean writable,
    boolean user,
    boolean executable,
    boolean global,
    boolean dirty,
    int key) {

  public long address(long linear) {
    return frame + (linear & (1L << shift) - 1);
  }

  public Page dirtied() {
    return new Page(frame, shift, level, writable, user, executable, global, true, key);
  }
}
