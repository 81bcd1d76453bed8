// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.x86.Access;

/**
 * One access as the manuals speak of it.
 *
 * @param exempt explicit and made with EFLAGS.AC = 1
 */
public record Demand(long linear, boolean write, boolean fetch, boolean user, boolean exempt) {

  /** Takes the flags of an operation's word. */
  public static Demand of(long flags, long linear) {
    return new Demand(
        linear,
        (flags & Access.WRITE) != 0,
        (flags & Access.FETCH) != 0,
        (flags & Access.USER) != 0,
        (flags & Access.SMAP_EXEMPT) != 0);
  }

  public Demand asUser() {
    return new Demand(linear, write, fetch, true, true);
  }
}
