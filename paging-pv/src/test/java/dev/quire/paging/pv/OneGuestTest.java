// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Tests of one guest of two vCPUs on a host of its own; after each all counts are made anew. */
abstract class OneGuestTest {
  static final int FRAMES = 64;

  final PvHost host = new PvHost();
  PvGuest guest;

  @BeforeEach
  void begin() {
    guest = host.guest(2, FRAMES);
  }

  @AfterEach
  void everyCountIsRight() {
    assertThat(guest.audit()).isEmpty();
  }
}
