// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.x86.CpuProfile;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a machine shall be. Made by the launcher from the configuration, by a test directly.
 *
 * @param profile every CPU of it
 * @param cpus how many there are
 * @param ram ranges of RAM; everything else is device memory
 * @param tlb TLBs and paging-structure caches; null for a machine that caches nothing
 * @param cache a third party's cache in the place of the machine's own TLBs, or null
 * @param seed of everything that is random
 * @param trained whether a CPU's kernel for a paging format is trained when it is first used: worth
 *     it for a long run, a waste for a short test
 */
public record MachineSpec(
    CpuProfile profile,
    int cpus,
    List<Ram> ram,
    @Nullable TlbGeometry tlb,
    @Nullable TranslationCacheFactory cache,
    long seed,
    boolean trained) {

  /**
   * A range of RAM.
   *
   * @param start first byte, on a frame boundary. Unit: bytes
   * @param length a whole number of frames. Unit: bytes
   */
  public record Ram(long start, long length) {
    /** Where the VGA frame buffer and the firmware of a PC lie: device memory, whatever the RAM. */
    private static final long HOLE_START = 0xa0000;

    private static final long HOLE_END = 0x100000;

    /** Checks that the range is made of frames. */
    public Ram {
      if ((start & 4095) != 0 || (length & 4095) != 0 || start < 0 || length <= 0) {
        throw new IllegalArgumentException(
            String.format("RAM at 0x%x, 0x%x bytes: not a range of frames", start, length));
      }
    }

    /** One past the last byte. */
    public long end() {
      return start + length;
    }

    /**
     * The RAM of a PC: from 0 up, without the hole below 1 MiB.
     *
     * @param end where RAM ends. Unit: bytes
     */
    public static List<Ram> pc(long end) {
      if (end <= HOLE_END) {
        return List.of(new Ram(0, Math.min(end, HOLE_START)));
      }
      return List.of(new Ram(0, HOLE_START), new Ram(HOLE_END, end - HOLE_END));
    }
  }

  /** Copies the list of ranges. */
  public MachineSpec {
    ram = List.copyOf(ram);
    if (cpus < 1 || cpus > 256) {
      throw new IllegalArgumentException(cpus + " CPUs: not within 1..256");
    }
  }

  /** A machine of one CPU without caches or training, whose whole physical address space is RAM. */
  public static MachineSpec bare(CpuProfile profile) {
    List<Ram> all = List.of(new Ram(0, 1L << profile.physicalBits()));
    return new MachineSpec(profile, 1, all, null, null, 1, false);
  }

  /** The same machine with these TLBs. */
  public MachineSpec withTlb(@Nullable TlbGeometry geometry) {
    return new MachineSpec(profile, cpus, ram, geometry, cache, seed, trained);
  }

  /** The same machine with so many CPUs. */
  public MachineSpec withCpus(int count) {
    return new MachineSpec(profile, count, ram, tlb, cache, seed, trained);
  }

  /** The same machine with this RAM. */
  public MachineSpec withRam(List<Ram> ranges) {
    return new MachineSpec(profile, cpus, ranges, tlb, cache, seed, trained);
  }

  /** The same machine with a third party's cache. */
  public MachineSpec withCache(TranslationCacheFactory factory) {
    return new MachineSpec(profile, cpus, ram, tlb, factory, seed, trained);
  }

  /** The same machine, trained or not. */
  public MachineSpec withTraining(boolean value) {
    return new MachineSpec(profile, cpus, ram, tlb, cache, seed, value);
  }
}
