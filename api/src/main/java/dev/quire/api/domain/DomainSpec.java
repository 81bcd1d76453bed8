// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.hw.MachineSpec.Ram;
import java.util.Comparator;
import java.util.List;

/**
 * What a domain shall be. Made by the launcher from the configuration, by a test directly.
 *
 * @param vcpus how many vCPUs
 * @param memory the guest-physical ranges that are its RAM; everything else is device memory
 * @param placement where its frames lie in the machine
 * @param largestOrder the largest p2m mapping: 0, 9 or 18; used where alignment allows
 * @param pool memory for tables. Unit: frames; 0 for what such a domain commonly needs
 * @param seed of the placement
 */
public record DomainSpec(
    int vcpus, List<Ram> memory, Placement placement, int largestOrder, long pool, long seed) {

  /** Where guest frames lie in the machine. */
  public enum Placement {
    /** gfn = mfn: backends without translation can serve the domain, and so can all others. */
    IDENTITY,
    /** In a row, superpages wherever the guest-physical ranges allow. */
    CONTIGUOUS,
    /** In an order that the seed decides, in runs of the largest order. */
    SCATTERED
  }

  /** Puts the ranges in order and checks the numbers. */
  public DomainSpec {
    memory = memory.stream().sorted(Comparator.comparingLong(Ram::start)).toList();
    for (int i = 1; i < memory.size(); i++) {
      if (memory.get(i - 1).start() + memory.get(i - 1).length() > memory.get(i).start()) {
        throw new IllegalArgumentException(
            String.format("RAM at 0x%x overlaps another range", memory.get(i).start()));
      }
    }
    if (vcpus < 1 || memory.isEmpty() || pool < 0) {
      throw new IllegalArgumentException(
          vcpus + " vCPUs, " + memory.size() + " ranges of RAM, a pool of " + pool + " frames");
    }
    if (largestOrder != 0 && largestOrder != 9 && largestOrder != 18) {
      throw new IllegalArgumentException("order " + largestOrder + " is not 0, 9 or 18");
    }
  }

  /** A domain of one range of RAM from address 0, in small pages, scattered. */
  public static DomainSpec hvm(int vcpus, long frames) {
    return new DomainSpec(vcpus, List.of(new Ram(0, frames << 12)), Placement.SCATTERED, 0, 0, 1);
  }

  /** How much RAM there is. Unit: frames. */
  public long frames() {
    return memory.stream().mapToLong(Ram::length).sum() >>> 12;
  }

  /** The same domain with another placement. */
  public DomainSpec withPlacement(Placement other) {
    return new DomainSpec(vcpus, memory, other, largestOrder, pool, seed);
  }

  /** The same domain with another largest order. */
  public DomainSpec withLargestOrder(int order) {
    return new DomainSpec(vcpus, memory, placement, order, pool, seed);
  }

  /** The same domain with another pool. */
  public DomainSpec withPool(long frames) {
    return new DomainSpec(vcpus, memory, placement, largestOrder, frames, seed);
  }
}
