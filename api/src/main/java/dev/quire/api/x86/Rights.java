// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * The rights rule: may this access use that translation, and if not, by which rule and with which
 * error code? The one place where the rule stands; hardware, software walks and backends all ask
 * here (SDM vol. 3, 4.6 and 4.7).
 *
 * <p>The state of the machine that the rule depends on is an int of the flags below, made by {@link
 * PagingRules}, and the two key registers.
 */
public final class Rights {
  /** CR0.WP. */
  public static final int WRITE_PROTECT = 1;

  /** CR4.SMEP. */
  public static final int SMEP = 1 << 1;

  /** CR4.SMAP. */
  public static final int SMAP = 1 << 2;

  /** CR4.PKE in long mode. */
  public static final int USER_KEYS = 1 << 3;

  /** CR4.PKS in long mode. */
  public static final int SUPERVISOR_KEYS = 1 << 4;

  /** Fetches are told apart in error codes: NX or SMEP in force. */
  public static final int REPORT_FETCH = 1 << 5;

  private static final int ACCESS_DISABLE = 1;
  private static final int WRITE_DISABLE = 2;

  private Rights() {}

  /**
   * Whether {@code access} may use {@code translation}.
   *
   * @param translation of {@link Translation}, not a fault; its D bit plays no part
   * @param access flags of {@link Access}
   * @param flags of this class
   * @param pkru the register
   * @param pkrs the register
   */
  public static boolean permit(long translation, long access, int flags, int pkru, int pkrs) {
    boolean user = (access & Access.USER) != 0;
    boolean userPage = (translation & Translation.USER) != 0;
    if (user && !userPage) {
      return false;
    }
    if ((access & Access.FETCH) != 0) {
      return (translation & Translation.EXECUTABLE) != 0
          && (user || !userPage || (flags & SMEP) == 0);
    }
    if (userPage && (flags & SMAP) != 0 && (access & Access.SMAP_EXEMPT) == 0) {
      return false;
    }
    // What is seldom is asked first: whether an access is a write, no branch predictor can tell.
    if ((translation & Translation.WRITABLE) == 0
        && (access & Access.WRITE) != 0
        && (user || (flags & WRITE_PROTECT) != 0)) {
      return false;
    }
    return keyRights(translation, access, flags, pkru, pkrs) == 0;
  }

  /**
   * Which rule refuses an access that {@link #permit} does not allow; keys are asked first, then
   * NX, then the rest.
   */
  public static FaultRule refusal(long translation, long access, int flags, int pkru, int pkrs) {
    boolean user = (access & Access.USER) != 0;
    boolean userPage = (translation & Translation.USER) != 0;
    if (user && !userPage) {
      return FaultRule.USER_TO_SUPERVISOR;
    }
    if ((access & Access.FETCH) != 0) {
      return (translation & Translation.EXECUTABLE) == 0 ? FaultRule.NO_EXECUTE : FaultRule.SMEP;
    }
    int key = keyRights(translation, access, flags, pkru, pkrs);
    if (key != 0) {
      return (key & ACCESS_DISABLE) != 0
          ? FaultRule.KEY_ACCESS_DISABLED
          : FaultRule.KEY_WRITE_DISABLED;
    }
    boolean smap = userPage && (flags & SMAP) != 0 && (access & Access.SMAP_EXEMPT) == 0;
    return smap ? FaultRule.SMAP : FaultRule.READ_ONLY;
  }

  /**
   * The error code of a fault on present, well-formed entries.
   *
   * @param translation what the entries permit; as for {@link #permit}
   */
  public static int errorCode(long translation, long access, int flags, int pkru, int pkrs) {
    boolean key = keyRights(translation, access, flags, pkru, pkrs) != 0;
    return ErrorCode.P | (key ? ErrorCode.PK : 0) | errorCode(access, flags);
  }

  /** The part of an error code that only the access decides: W, U and I. */
  public static int errorCode(long access, int flags) {
    return ((access & Access.WRITE) != 0 ? ErrorCode.W : 0)
        | ((access & Access.USER) != 0 ? ErrorCode.U : 0)
        | ((access & Access.FETCH) != 0 && (flags & REPORT_FETCH) != 0 ? ErrorCode.I : 0);
  }

  /** The key bits that forbid the access: {@link #ACCESS_DISABLE}, {@link #WRITE_DISABLE} or 0. */
  private static int keyRights(long translation, long access, int flags, int pkru, int pkrs) {
    boolean userPage = (translation & Translation.USER) != 0;
    int inForce = flags & (userPage ? USER_KEYS : SUPERVISOR_KEYS);
    if (inForce == 0 || (access & Access.FETCH) != 0) {
      return 0;
    }
    int denied = (userPage ? pkru : pkrs) >>> 2 * Translation.key(translation);
    boolean writeCounts =
        (access & Access.WRITE) != 0
            && ((access & Access.USER) != 0 || (flags & WRITE_PROTECT) != 0);
    return denied & (writeCounts ? ACCESS_DISABLE | WRITE_DISABLE : ACCESS_DISABLE);
  }
}
