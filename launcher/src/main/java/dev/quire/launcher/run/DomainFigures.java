// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.hw.ExitReason;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the reports tell of a domain at the end of its run.
 *
 * @param spec what it was
 * @param exits how often the hypervisor had to handle an exit, all vCPUs together, by each reason
 *     that is one
 * @param backends what each backend counted that served it, by name; and the guest interface
 * @param tables its p2m; null if it had none at the end
 */
public record DomainFigures(
    DomainSpec spec,
    Map<ExitReason, Long> exits,
    Map<String, Map<String, Long>> backends,
    @Nullable Tables tables) {

  private static final Set<ExitReason> NO_EXITS =
      EnumSet.of(ExitReason.DONE, ExitReason.FAULT, ExitReason.PREEMPTED);

  /**
   * The p2m and the memory that it is in.
   *
   * @param format of its tables
   * @param levels of its tables
   * @param frames that its tables take
   * @param poolUsed how many frames of the pool are in use, by those and by whatever else
   * @param poolTotal how many frames the pool has
   */
  public record Tables(P2mFormat format, int levels, long frames, long poolUsed, long poolTotal) {}

  static DomainFigures of(Domain domain) {
    Map<ExitReason, Long> exits = new EnumMap<>(ExitReason.class);
    for (ExitReason reason : EnumSet.complementOf(EnumSet.copyOf(NO_EXITS))) {
      long sum = 0;
      for (int vcpu = 0; vcpu < domain.vcpus(); vcpu++) {
        sum += domain.vcpu(vcpu).exits(reason);
      }
      exits.put(reason, sum);
    }
    Map<String, Map<String, Long>> counts = new LinkedHashMap<>(domain.statistics());
    InterfaceDomain guest = domain.guestInterface();
    if (guest != null) {
      counts.put("interface", guest.statistics());
    }
    return new DomainFigures(domain.spec(), exits, counts, tables(domain));
  }

  private static @Nullable Tables tables(Domain domain) {
    return domain.isTranslated()
        ? new Tables(
            domain.p2m().format(),
            domain.p2m().levels(),
            domain.p2m().tableFrames(),
            domain.pool().used(),
            domain.pool().total())
        : null;
  }

  /** What a backend counted; nothing if it never served the domain. */
  public Map<String, Long> statistics(String backend) {
    return backends.getOrDefault(backend, Map.of());
  }
}
