// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.paging.PagingBackend;

/** Intel extended paging under the contract. */
class HapEptContractTest extends PagingContract {
  @Override
  protected PagingBackend backend() {
    return service("hap-ept");
  }
}
