// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.paging.PagingBackend;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Tests of one guest of two vCPUs on a host of its own; after each all counts are made anew. */
abstract class OneGuestTest {
  static final int FRAMES = 64;

  final PvHost host = new PvHost(backend());
  PvGuest guest;

  /** What the guest begins under. */
  PagingBackend backend() {
    return new PvBackend();
  }

  /** The root of the guest's own on which a vCPU runs, as far as the hardware shows it. */
  long root(int vcpu) {
    return guest.vcpu(vcpu).control().registers().cr3;
  }

  @BeforeEach
  void begin() {
    guest = host.guest(2, FRAMES);
  }

  @AfterEach
  void everyCountIsRight() {
    assertThat(guest.audit()).isEmpty();
    assertThat(guest.domain.paging().audit()).isEmpty();
  }
}
