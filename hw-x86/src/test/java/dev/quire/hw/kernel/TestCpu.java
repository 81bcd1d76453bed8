// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationCacheFactory;
import dev.quire.hw.memory.SparseMemory;
import dev.quire.hw.registers.ControlRegisters;
import org.jspecify.annotations.Nullable;

/** One CPU put together as the machine does it, with its insides in reach. */
final class TestCpu {
  final SparseMemory memory;
  final Counters counters = new Counters();
  final AddressSpaces spaces = new AddressSpaces();
  final StructureCaches structures;
  final @Nullable TranslationCache cache;
  final NestedCaches nested;
  final CachedMappings mappings;
  final X86Cpu cpu;

  TestCpu(MachineSpec spec) {
    this(spec, new SparseMemory(spec.ram()));
  }

  TestCpu(MachineSpec spec, SparseMemory memory) {
    this(spec, memory, Hearing.ALL);
  }

  /**
   * A CPU some of whose caches may not hear what they are asked to drop.
   *
   * @param hearing puts something between the CPU and its caches
   */
  TestCpu(MachineSpec spec, SparseMemory memory, Hearing hearing) {
    this.memory = memory;
    TlbGeometry tlb = spec.tlb();
    structures = tlb == null ? StructureCaches.none() : hearing.structures(spec, tlb);
    TranslationCacheFactory factory = spec.cache();
    cache =
        factory != null
            ? factory.create(0, counters)
            : tlb == null ? null : hearing.of(TlbParts.build(tlb, spaces, counters, spec.seed()));
    nested = tlb == null ? NestedCaches.none() : NestedCaches.of(tlb, counters, spec.seed());
    mappings = new CachedMappings(structures, spaces, cache, nested);
    TranslationUnit unit =
        new TranslationUnit(spec.profile(), memory, counters, mappings, spec.trained());
    cpu =
        new X86Cpu(0, spec.profile(), memory, new ControlRegisters(spec.profile()), counters, unit);
  }
}
