// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.paging.PagingBackend;

/** Native paging under the contract. */
class NativeContractTest extends PagingContract {
  @Override
  protected PagingBackend backend() {
    return service("native");
  }
}
