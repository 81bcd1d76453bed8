// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import java.util.Map;
import org.osgi.annotation.versioning.ProviderType;

/** Builds machines. A service of {@code hw-x86}, found by the launcher and by tests. */
@ProviderType
public interface MachineFactory {
  /**
   * A machine that has just been reset.
   *
   * @throws IllegalArgumentException if there cannot be such a machine
   */
  Machine create(MachineSpec spec);

  /** TLBs of real cores, from public documents, by the name that a configuration uses. */
  Map<String, Preset> presets();

  /**
   * The TLBs of a real core.
   *
   * @param geometry its TLBs
   * @param core its name for people
   * @param source the document that gives the numbers, and what had to be assumed
   */
  record Preset(TlbGeometry geometry, String core, String source) {}
}
