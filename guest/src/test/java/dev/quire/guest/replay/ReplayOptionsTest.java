// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.guest.InputException;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ReplayOptionsTest {
  private static void refused(Map<String, String> options, String why) {
    assertThatThrownBy(() -> ReplayOptions.of(options))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(why);
  }

  @Test
  void defaults() {
    ReplayOptions options = ReplayOptions.of(Map.of("trace", "boot.zst"));
    assertThat(options.trace()).hasToString("boot.zst");
    assertThat(options.checkAd()).isFalse();
    assertThat(options.until()).isEqualTo(Long.MAX_VALUE);
    assertThat(options.explains()).isFalse();
  }

  @Test
  void addressesAreHexadecimal() {
    Map<String, String> options =
        Map.of("trace", "t", "at", "1_000", "va", "0xffff_8880_0000_1000");
    assertThat(ReplayOptions.of(options).linear()).hasValue(0xFFFF_8880_0000_1000L);
    assertThat(ReplayOptions.of(options).at()).hasValue(1000);
  }

  @Test
  void mistakesAreNamed() {
    refused(Map.of(), "trace is missing");
    refused(Map.of("trace", "t", "chek-ad", "true", "foo", "1"), "no option chek-ad, foo");
    refused(Map.of("trace", "t", "check-ad", "maybe"), "check-ad: \"maybe\"");
    refused(Map.of("trace", "t", "until", "-5"), "until: \"-5\"");
    refused(Map.of("trace", "t", "until", "18446744073709551615"), "until");
    refused(Map.of("trace", "t", "at", "1", "instruction", "1"), "exclude");
    refused(Map.of("trace", "t", "va", "1000"), "va");
    refused(Map.of("trace", "a\0b"), "trace");
  }
}
