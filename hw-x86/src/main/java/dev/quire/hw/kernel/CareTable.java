// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Operation;
import dev.quire.api.hw.TranslationContext;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;

/**
 * Which bits of a first-level key count, and what they must be: the rights rule as a ternary match.
 *
 * <p>A bit is left out of an entry's care if the entry permits either value of it: the PCID of a
 * global page, WRITE of a page that is writable and dirty, USER of a user page. What one ternary
 * match cannot say (a supervisor write to a read-only page with CR0.WP = 0, a key that forbids
 * writes to some) is made to miss; the CPU then asks the rule itself. So a match is always a
 * permission, and a mismatch decides nothing.
 */
@SuppressWarnings("ArrayRecordComponent") // shared on purpose; never compared
public record CareTable(long[] byRights, long[] byKey) {
  /** Bits of a {@link Translation} that choose the care: W, U, X, G, D. */
  private static final int RIGHTS_MASK = 0x1f;

  private static final int SIZE_SHIFT = 5;
  private static final int FETCH_INDEX = 1 << 7;
  private static final int USER_INDEX = 1 << 4;
  private static final long ALWAYS = Access.FETCH | Operation.DATA | Operation.WIDE | Key.VPID;

  /** An empty table. */
  public CareTable() {
    this(new long[2 * FETCH_INDEX], new long[2 * USER_INDEX]);
  }

  /** Works the table out for a context. */
  public void update(TranslationContext context, int[] shifts) {
    for (int i = 0; i < byRights.length; i++) {
      int size = Math.min(i >>> SIZE_SHIFT & 3, shifts.length - 1);
      long page = Key.PAGE & -(1L << shifts[size]);
      long pcid = (i & Translation.GLOBAL) != 0 ? 0 : Key.PCID;
      boolean fetch = (i & FETCH_INDEX) != 0;
      byRights[i] = ALWAYS | page | pcid | rights(i, fetch, context.rights());
    }
    for (int i = 0; i < byKey.length; i++) {
      byKey[i] = key(i, context);
    }
  }

  private static long rights(int attributes, boolean fetch, int inForce) {
    boolean user = (attributes & Translation.USER) != 0;
    if (fetch) {
      return Access.WRITE | (user && (inForce & Rights.SMEP) == 0 ? 0 : Access.USER);
    }
    long who = !user ? Access.USER : (inForce & Rights.SMAP) != 0 ? Access.SMAP_EXEMPT : 0;
    long writable = Translation.WRITABLE | Translation.DIRTY;
    return who | ((attributes & writable) == writable ? 0 : Access.WRITE);
  }

  private static long key(int index, TranslationContext context) {
    boolean user = (index & USER_INDEX) != 0;
    int inForce = context.rights() & (user ? Rights.USER_KEYS : Rights.SUPERVISOR_KEYS);
    if (inForce == 0) {
      return 0;
    }
    int denied = (user ? context.pkru() : context.pkrs()) >>> 2 * (index & USER_INDEX - 1) & 3;
    return (denied & 1) != 0 ? Key.NEVER : denied != 0 ? Access.WRITE : 0;
  }

  /**
   * The care of an entry.
   *
   * @param translation what it holds
   * @param size what it covers, 0 to 2
   * @param fetch whether it is an instruction TLB's
   */
  public long care(long translation, int size, boolean fetch) {
    int index = (int) translation & RIGHTS_MASK | size << SIZE_SHIFT;
    if (fetch) {
      return byRights[index | FETCH_INDEX];
    }
    int key = Translation.key(translation) | (int) (translation & Translation.USER) << 3;
    return byRights[index] | byKey[key];
  }

  /** The value that the rights bits of a key must have, among those that count. */
  public static long expected(long translation, long care) {
    long user = (translation & Translation.USER) != 0 ? Access.USER | Access.SMAP_EXEMPT : 0;
    return care & (user | Key.NEVER);
  }
}
