// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** SDM vol. 3, 4.6 and 4.7, over all combinations of page, access and state. */
class RightsTest {
  private static final int KEY = 3;

  /** One combination, with the manual's sentences about it. */
  private record Case(long page, long access, int flags, int pkru, int pkrs) {
    boolean user() {
      return (access & Access.USER) != 0;
    }

    boolean write() {
      return (access & Access.WRITE) != 0;
    }

    boolean fetch() {
      return (access & Access.FETCH) != 0;
    }

    boolean userPage() {
      return (page & Translation.USER) != 0;
    }

    boolean has(int flag) {
      return (flags & flag) != 0;
    }

    boolean writeCounts() {
      return write() && (user() || has(Rights.WRITE_PROTECT));
    }

    boolean accessDisabled() {
      return !fetch()
          && (userPage()
              ? has(Rights.USER_KEYS) && (pkru >>> 2 * KEY & 1) != 0
              : has(Rights.SUPERVISOR_KEYS) && (pkrs >>> 2 * KEY & 1) != 0);
    }

    boolean writeDisabled() {
      return writeCounts()
          && (userPage()
              ? has(Rights.USER_KEYS) && (pkru >>> 2 * KEY & 2) != 0
              : has(Rights.SUPERVISOR_KEYS) && (pkrs >>> 2 * KEY & 2) != 0);
    }

    boolean smap() {
      boolean exempt = (access & Access.SMAP_EXEMPT) != 0;
      return !fetch() && userPage() && has(Rights.SMAP) && !exempt;
    }

    boolean smep() {
      return fetch() && !user() && userPage() && has(Rights.SMEP);
    }

    boolean readOnly() {
      return writeCounts() && (page & Translation.WRITABLE) == 0;
    }

    boolean noExecute() {
      return fetch() && (page & Translation.EXECUTABLE) == 0;
    }

    List<FaultRule> broken() {
      List<FaultRule> rules = new ArrayList<>();
      add(rules, user() && !userPage(), FaultRule.USER_TO_SUPERVISOR);
      add(rules, noExecute(), FaultRule.NO_EXECUTE);
      add(rules, smep(), FaultRule.SMEP);
      add(rules, accessDisabled(), FaultRule.KEY_ACCESS_DISABLED);
      add(rules, writeDisabled() && !accessDisabled(), FaultRule.KEY_WRITE_DISABLED);
      add(rules, smap(), FaultRule.SMAP);
      add(rules, readOnly(), FaultRule.READ_ONLY);
      return rules;
    }

    private static void add(List<FaultRule> rules, boolean broken, FaultRule rule) {
      if (broken) {
        rules.add(rule);
      }
    }

    int code() {
      return 1
          + (write() ? 2 : 0)
          + (user() ? 4 : 0)
          + (fetch() && has(Rights.REPORT_FETCH) ? 16 : 0)
          + (accessDisabled() || writeDisabled() ? 32 : 0);
    }
  }

  private static final long[] ACCESSES = {
    Access.of(0, true, false),
    Access.of(0, false, false),
    Access.of(0, false, true),
    Access.of(Access.WRITE, true, false),
    Access.of(Access.WRITE, false, false),
    Access.of(Access.WRITE, false, true),
    Access.of(Access.FETCH, true, false),
    Access.of(Access.FETCH, false, false),
    Access.of(Access.FETCH, false, true)
  };

  private static void forAll(Consumer<Case> check) {
    for (int rights = 0; rights < 32; rights++) {
      long page = Translation.PRESENT | (long) KEY << Translation.KEY_SHIFT | rights;
      for (long access : ACCESSES) {
        for (int flags = 0; flags < 64; flags++) {
          for (int keys = 0; keys < 16; keys++) {
            // every other key is disabled wherever this one is not
            int pkru = 0xffffffff << 2 * KEY + 2 | 0x3f | (keys & 3) << 2 * KEY;
            int pkrs = 0xffffffff << 2 * KEY + 2 | 0x3f | keys >> 2 << 2 * KEY;
            check.accept(new Case(page, access, flags, pkru, pkrs));
          }
        }
      }
    }
  }

  @Test
  void anAccessIsPermittedIfItBreaksNoRule() {
    forAll(
        c -> {
          boolean permitted = Rights.permit(c.page, c.access, c.flags, c.pkru, c.pkrs);
          if (permitted != c.broken().isEmpty()) {
            assertThat(permitted).as(c.toString()).isEqualTo(c.broken().isEmpty());
          }
        });
  }

  @Test
  void theRefusalIsTheFirstRuleThatIsBroken() {
    forAll(
        c -> {
          List<FaultRule> broken = c.broken();
          if (!broken.isEmpty()) {
            FaultRule rule = Rights.refusal(c.page, c.access, c.flags, c.pkru, c.pkrs);
            if (rule != broken.get(0)) {
              assertThat(rule).as(c.toString()).isEqualTo(broken.get(0));
            }
          }
        });
  }

  @Test
  void theErrorCodeTellsOfAccessAndKey() {
    forAll(
        c -> {
          int code = Rights.errorCode(c.page, c.access, c.flags, c.pkru, c.pkrs);
          if (code != c.code()) {
            assertThat(code).as(c.toString()).isEqualTo(c.code());
          }
        });
  }

  @Test
  void withoutTranslationTheErrorCodeTellsOfTheAccessOnly() {
    assertThat(Rights.errorCode(0, -1)).isZero();
    assertThat(Rights.errorCode(Access.WRITE, 0)).isEqualTo(ErrorCode.W);
    assertThat(Rights.errorCode(Access.USER, 0)).isEqualTo(ErrorCode.U);
    assertThat(Rights.errorCode(Access.FETCH, 0)).isZero();
    assertThat(Rights.errorCode(Access.FETCH, Rights.REPORT_FETCH)).isEqualTo(ErrorCode.I);
  }
}
