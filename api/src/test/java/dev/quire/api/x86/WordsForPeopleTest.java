// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** What people read of packed words. */
class WordsForPeopleTest {
  @Test
  void anAccess() {
    assertThat(Access.describe(Access.of(0, true, false))).isEqualTo("user read");
    assertThat(Access.describe(Access.of(Access.WRITE, true, true))).isEqualTo("user write");
    assertThat(Access.describe(Access.of(0, false, false))).isEqualTo("supervisor read");
    assertThat(Access.describe(Access.of(Access.FETCH, false, true)))
        .isEqualTo("supervisor fetch (AC)");
  }

  @Test
  void anAccessIsExemptFromSmapForAReason() {
    assertThat(Access.of(0, true, false)).isEqualTo(Access.USER | Access.SMAP_EXEMPT);
    assertThat(Access.of(0, false, true)).isEqualTo(Access.SMAP_EXEMPT);
    assertThat(Access.of(Access.WRITE, false, false)).isEqualTo(Access.WRITE);
  }

  @Test
  void anErrorCode() {
    assertThat(ErrorCode.describe(0)).isEqualTo("0x0 ()");
    assertThat(ErrorCode.describe(7)).isEqualTo("0x7 (P W U)");
    assertThat(ErrorCode.describe(0x39)).isEqualTo("0x39 (P RSVD I PK)");
  }

  @Test
  void anEntry() {
    assertThat(PageEntry.describe(0)).isEmpty();
    assertThat(PageEntry.describe(0x1ff)).isEqualTo("P RW US PWT PCD A D PS G");
    assertThat(PageEntry.describe(Long.MIN_VALUE | 1)).isEqualTo("P NX");
    assertThat(PageEntry.describe(1 | 9L << PageEntry.KEY_SHIFT)).isEqualTo("P key=9");
  }

  @Test
  void aVector() {
    assertThat(Vector.describe(Vector.UD)).isEqualTo("#UD");
    assertThat(Vector.describe(Vector.GP)).isEqualTo("#GP");
    assertThat(Vector.describe(Vector.PF)).isEqualTo("#PF");
    assertThat(Vector.describe(3)).isEqualTo("exception 3");
  }

  @Test
  void everyFaultRuleNamesItsSource() {
    for (FaultRule rule : FaultRule.values()) {
      assertThat(rule.source()).isNotBlank();
      assertThat(FaultRule.at(rule.ordinal())).isEqualTo(rule);
    }
  }
}
