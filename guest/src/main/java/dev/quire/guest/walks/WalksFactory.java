// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.walks;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadFactory;
import java.util.Map;

/** Provides the workload {@code walks}: memory references of single walks, cold and warm. */
@ServiceProvider(WorkloadFactory.class)
public final class WalksFactory implements WorkloadFactory {
  /** For the service loader. */
  public WalksFactory() {}

  @Override
  public String name() {
    return "walks";
  }

  @Override
  public Workload open(Map<String, String> options) {
    return new WalksWorkload(WalksOptions.of(options));
  }
}
