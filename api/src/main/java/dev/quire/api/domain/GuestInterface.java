// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.hw.PhysicalMemory;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * What a kind of guest agrees with the hypervisor about its pagetables: who checks them, and by
 * which calls they are changed. A service of a bundle, found by {@link #name}; it has no state of
 * its own.
 */
@ConsumerType
public interface GuestInterface {
  /** The name that a configuration chooses it by. */
  String name();

  /** One sentence for people. */
  String description();

  /**
   * The calls that change a domain's pagetables. From now on frames of the domain are validated by
   * the rules of this interface.
   *
   * @param frames where the types of frames are kept
   * @param memory where the frames are
   * @param policy what the domain may do beyond its own memory
   * @param owner the domain's number
   */
  Pagetables pagetables(FrameTable frames, PhysicalMemory memory, GuestPolicy policy, int owner);

  /**
   * Makes a new domain a guest of this kind: builds what the guest finds when it begins, and sets
   * the registers that it begins with. The domain's memory is there, all zeros; no backend is
   * attached yet.
   *
   * @param host what the hypervisor does for the interface
   * @throws IllegalArgumentException if the domain's memory is too small for such a guest
   */
  InterfaceDomain take(DomainHost host);
}
