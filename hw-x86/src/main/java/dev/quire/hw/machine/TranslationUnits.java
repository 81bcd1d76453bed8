// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.machine;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationCacheFactory;
import dev.quire.hw.kernel.AddressSpaces;
import dev.quire.hw.kernel.CachedMappings;
import dev.quire.hw.kernel.NestedCaches;
import dev.quire.hw.kernel.StructureCaches;
import dev.quire.hw.kernel.TlbParts;
import dev.quire.hw.kernel.TranslationUnit;
import dev.quire.hw.memory.SparseMemory;
import org.jspecify.annotations.Nullable;

/** Builds what translates for a CPU out of the machine's specification. */
final class TranslationUnits {
  private TranslationUnits() {}

  static TranslationUnit of(MachineSpec spec, int cpu, SparseMemory memory, Counters counters) {
    AddressSpaces spaces = new AddressSpaces();
    TlbGeometry geometry = spec.tlb();
    long seed = spec.seed() * 31 + cpu;
    StructureCaches structures =
        geometry == null
            ? StructureCaches.none()
            : new StructureCaches(geometry.structures(), geometry.replacement(), seed);
    TranslationCache cache = cacheOf(spec, cpu, geometry, spaces, counters, seed);
    NestedCaches nested =
        geometry == null ? NestedCaches.none() : NestedCaches.of(geometry, counters, seed);
    CachedMappings mappings = new CachedMappings(structures, spaces, cache, nested);
    return new TranslationUnit(spec.profile(), memory, counters, mappings, spec.trained());
  }

  private static @Nullable TranslationCache cacheOf(
      MachineSpec spec,
      int cpu,
      @Nullable TlbGeometry geometry,
      AddressSpaces spaces,
      Counters counters,
      long seed) {
    TranslationCacheFactory factory = spec.cache();
    if (factory != null) {
      return factory.create(cpu, counters);
    }
    return geometry == null ? null : TlbParts.build(geometry, spaces, counters, seed);
  }
}
