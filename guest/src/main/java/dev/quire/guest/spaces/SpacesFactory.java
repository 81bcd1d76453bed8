// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.spaces;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadFactory;
import java.util.Map;

/** Provides the workload {@code pv-spaces}: context switches of a PV guest. */
@ServiceProvider(WorkloadFactory.class)
public final class SpacesFactory implements WorkloadFactory {
  /** For the service loader. */
  public SpacesFactory() {}

  @Override
  public String name() {
    return "pv-spaces";
  }

  @Override
  public Workload open(Map<String, String> options) {
    return new SpacesWorkload(SpacesOptions.of(options));
  }
}
