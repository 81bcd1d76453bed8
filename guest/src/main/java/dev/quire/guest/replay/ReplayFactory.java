// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadFactory;
import dev.quire.guest.trace.TraceReader;
import java.util.Map;

/** Provides the workload {@code replay}: recorded boots in the format X86PTRC1. */
@ServiceProvider(WorkloadFactory.class)
public final class ReplayFactory implements WorkloadFactory {
  /** For the service loader. */
  public ReplayFactory() {}

  @Override
  public String name() {
    return "replay";
  }

  @Override
  public Workload open(Map<String, String> options) {
    ReplayOptions parsed = ReplayOptions.of(options);
    return new ReplayWorkload(parsed, TraceReader.open(parsed.trace()));
  }
}
