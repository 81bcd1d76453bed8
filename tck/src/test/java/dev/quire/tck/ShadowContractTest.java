// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.paging.PagingBackend;

/** Shadow paging under the contract. */
class ShadowContractTest extends PagingContract {
  @Override
  protected PagingBackend backend() {
    return service("shadow");
  }
}
