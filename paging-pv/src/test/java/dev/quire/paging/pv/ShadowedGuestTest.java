// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.paging.PagingBackend;
import dev.quire.paging.shadow.ShadowBackend;

/**
 * A PV guest on shadows of its tables: what it begins with, and what its calls do, as on its own.
 */
class ShadowedGuestTest extends RunningGuestTest {
  @Override
  PagingBackend backend() {
    return new ShadowBackend();
  }

  @Override
  long root(int vcpu) {
    return guest.vcpu(vcpu).registers().cr3;
  }
}
