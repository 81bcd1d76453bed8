// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.paging.PagingBackend;

/** Hardware-assisted paging on CPUs by AMD. */
@ServiceProvider(PagingBackend.class)
public final class NptBackend extends HapBackend {
  /** For the service loader. */
  public NptBackend() {
    super(
        Dimension.NPT,
        "hap-npt",
        "AMD's nested page tables: the hardware walks the guest's tables through the p2m");
  }
}
