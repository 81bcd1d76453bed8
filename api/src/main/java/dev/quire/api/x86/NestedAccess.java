// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * What the guest-physical address of a nested walk is wanted for. Small numbers, since each decides
 * by tables in {@link NestedRules} which rights are needed, whether D is set, and what an exit
 * says.
 */
public final class NestedAccess {
  /** A data read of what a linear address translates to. */
  public static final int READ = 0;

  /** A data write. */
  public static final int WRITE = 1;

  /** A fetch from a supervisor-mode linear address. */
  public static final int FETCH = 2;

  /** A fetch from a user-mode linear address. */
  public static final int USER_FETCH = 3;

  /** The walk reads an entry of the guest's tables. */
  public static final int TABLE = 4;

  /** The walk sets A or D in an entry of the guest's tables. */
  public static final int TABLE_UPDATE = 5;

  /** A write to a control register loads a PDPTE register (EPT only). */
  public static final int PDPTE_LOAD = 6;

  /** How many kinds there are. */
  public static final int KINDS = 7;

  private NestedAccess() {}

  /**
   * The kind of the access that ends a walk.
   *
   * @param access flags of {@link Access}
   * @param userPage whether the linear address is a user-mode address
   */
  public static int last(long access, boolean userPage) {
    if ((access & Access.FETCH) != 0) {
      return userPage ? USER_FETCH : FETCH;
    }
    return (access & Access.WRITE) != 0 ? WRITE : READ;
  }
}
