// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.paging.PagingBackend;

/** AMD nested paging under the contract. */
class HapNptContractTest extends PagingContract {
  @Override
  protected PagingBackend backend() {
    return service("hap-npt");
  }
}
