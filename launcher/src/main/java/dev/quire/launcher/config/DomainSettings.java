// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.hw.MachineSpec.Ram;
import java.util.List;
import java.util.Optional;

/**
 * The section {@code domain}: how the guest lies in the machine.
 *
 * @param guest the guest interface; absent for what the backend suggests, {@link #HVM} for none
 * @param placement where its frames lie; absent for what the backend suggests
 * @param largestOrder the largest p2m mapping: 0, 9 or 18
 * @param pool memory for tables. Unit: frames; 0 for what such a domain commonly needs
 */
public record DomainSettings(
    Optional<Setting<String>> guest, Optional<Placement> placement, int largestOrder, long pool) {
  /** A guest that makes no hypercalls and has the machine's own interface. */
  public static final String HVM = "hvm";

  private static final String AUTO = "auto";

  /** Each page size is so many times the one below it, as a power of two. */
  private static final int ORDER_STEP = 9;

  static DomainSettings read(Section section) {
    Optional<Placement> placement =
        section.text("placement").equals(AUTO)
            ? Optional.empty()
            : Optional.of(section.choice("placement", Placement.class));
    Setting<String> named = section.named("interface");
    Optional<Setting<String>> guest =
        named.value().equals(AUTO) ? Optional.empty() : Optional.of(named);
    int size = TlbSettings.pageSize(section, "largest-page", section.text("largest-page"));
    long pool = section.text("pool").equals(AUTO) ? 0 : section.size("pool");
    if (pool < 0 || (pool & 4095) != 0) {
      throw section.bad("pool", "not a multiple of 4K");
    }
    section.end();
    return new DomainSettings(guest, placement, ORDER_STEP * size, pool >>> 12);
  }

  /**
   * The domain of this section.
   *
   * @param identity whether the backend can only serve guests whose frames are the machine's
   * @param seed of a scattered placement
   */
  public DomainSpec spec(int vcpus, List<Ram> memory, boolean identity, long seed) {
    Placement chosen = placement.orElse(identity ? Placement.IDENTITY : Placement.SCATTERED);
    return new DomainSpec(vcpus, memory, chosen, largestOrder, pool, seed);
  }
}
