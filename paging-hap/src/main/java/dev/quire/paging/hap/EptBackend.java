// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.paging.PagingBackend;

/** Hardware-assisted paging on CPUs by Intel. */
@ServiceProvider(PagingBackend.class)
public final class EptBackend extends HapBackend {
  /** For the service loader. */
  public EptBackend() {
    super(
        Dimension.EPT,
        "hap-ept",
        "Intel's extended page tables: the hardware walks the guest's tables through the p2m");
  }
}
