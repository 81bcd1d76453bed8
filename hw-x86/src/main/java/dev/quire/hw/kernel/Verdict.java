// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.PagingContext;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;
import java.util.Objects;

/**
 * What the rules of a context make of an entry or a translation: go on, or a fault with its code.
 */
public final class Verdict {
  private Verdict() {}

  /** The rules; there are some, since paging is on. */
  public static PagingRules rules(PagingContext context) {
    return Objects.requireNonNull(context.rules());
  }

  /** Whether an access may use a translation as it is: rights, and D for a write. */
  public static boolean suffices(PagingContext context, long translation, long access) {
    return rules(context).suffices(translation, access, context.pkru(), context.pkrs());
  }

  /** The translation, or the fault of the rights rule. */
  public static long checked(PagingContext context, long translation, long access) {
    int rights = rules(context).rights();
    int pkru = context.pkru();
    int pkrs = context.pkrs();
    if (Rights.permit(translation, access, rights, pkru, pkrs)) {
      return translation;
    }
    return Translation.fault(
        Rights.refusal(translation, access, rights, pkru, pkrs),
        Translation.level(translation),
        Rights.errorCode(translation, access, rights, pkru, pkrs));
  }

  /** The fault of an entry with P = 0. */
  public static long notPresent(PagingContext context, int level, long access) {
    int code = Rights.errorCode(access, rules(context).rights());
    return Translation.fault(FaultRule.NOT_PRESENT, level, code);
  }

  /**
   * The fault of a present entry that cannot be used: reserved bits, or a table that is nowhere.
   */
  public static long malformed(PagingContext context, FaultRule rule, int level, long access) {
    int code = Rights.errorCode(access, rules(context).rights());
    return Translation.fault(rule, level, ErrorCode.P | ErrorCode.RSVD | code);
  }
}
