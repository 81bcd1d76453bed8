// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RecordNumbersTest {
  @Test
  void numbersOfOperations() {
    RecordNumbers numbers = new RecordNumbers(8);
    numbers.add(0, 100);
    numbers.add(1, 101);
    numbers.add(2, 110);
    numbers.add(5, 113);
    numbers.add(6, 200);
    numbers.add(6, 300);
    assertThat(numbers.of(0)).isEqualTo(100);
    assertThat(numbers.of(1)).isEqualTo(101);
    assertThat(numbers.of(4)).isEqualTo(112);
    assertThat(numbers.of(5)).isEqualTo(113);
    assertThat(numbers.of(6)).isEqualTo(300);
    numbers.clear();
    numbers.add(0, 7);
    assertThat(numbers.of(3)).isEqualTo(10);
  }
}
