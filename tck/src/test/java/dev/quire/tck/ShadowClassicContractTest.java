// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.paging.PagingBackend;

/** Shadow paging of the first generation under the contract. */
class ShadowClassicContractTest extends PagingContract {
  @Override
  protected PagingBackend backend() {
    return service("shadow-classic");
  }
}
