// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationCacheFactory;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mockito.Mockito;

class X86MachineFactoryTest {
  private static final CpuProfile CPU = CpuProfile.full(Vendor.AMD, 40);

  private final MachineFactory factory = new X86MachineFactory();

  private static ControlBlock paged() {
    ControlBlock guest = new ControlBlock();
    guest.registers().cr0 = Cr0.PE | Cr0.PG;
    guest.registers().cr3 = 0x1000;
    return guest;
  }

  @Test
  void aMachineHasItsCpusAroundOneMemory() {
    Machine machine = factory.create(MachineSpec.bare(CPU).withCpus(3));
    assertThat(machine.cpus()).isEqualTo(3);
    assertThat(machine.profile()).isEqualTo(CPU);
    for (int i = 0; i < 3; i++) {
      assertThat(machine.cpu(i).number()).isEqualTo(i);
      OperationBlock block = new OperationBlock(2);
      block.load(0, 0x5000, 8);
      block.store(0, 0x5000, 8, i + 1);
      assertThat(machine.cpu(i).enter(new ControlBlock(), block, 2)).isEqualTo(ExitReason.DONE);
      assertThat(block.results()[0]).isEqualTo(i);
    }
    assertThat(machine.memory().load(0x5000, 8)).isEqualTo(3);
    assertThat(machine.controlRegisters()).isNotNull();
    assertThat(machine.cpu(0).counters()).isNotSameAs(machine.cpu(1).counters());
  }

  @Test
  void aMachineCachesOnlyIfItHasTlbs() {
    assertThat(factory.create(MachineSpec.bare(CPU)).cpu(0).translationCache()).isNull();
    TlbGeometry tiny = factory.presets().get("tiny").geometry();
    MachineSpec with = MachineSpec.bare(CPU).withTlb(tiny).withCpus(2);
    Machine machine = factory.create(with);
    assertThat(machine.cpu(0).translationCache())
        .isNotNull()
        .isNotSameAs(machine.cpu(1).translationCache());
  }

  @Test
  void aThirdPartysCacheTakesThePlaceOfTheTlbs() {
    TranslationCacheFactory caches = Mockito.mock(TranslationCacheFactory.class);
    TranslationCache cache = Mockito.mock(TranslationCache.class);
    Mockito.when(caches.create(Mockito.eq(1), Mockito.any(Counters.class))).thenReturn(cache);
    MachineSpec spec =
        MachineSpec.bare(CPU)
            .withTlb(factory.presets().get("tiny").geometry())
            .withCache(caches)
            .withCpus(2);
    Machine machine = factory.create(spec);
    assertThat(machine.cpu(1).translationCache()).isSameAs(cache);
    Mockito.verify(caches).create(0, machine.cpu(0).counters());
  }

  @Test
  void randomReplacementDiffersBetweenCpusAndNotBetweenMachines() {
    Tlb data = new Tlb(new Array(1, 8), 1);
    Array none = Array.NONE;
    TlbGeometry geometry =
        new TlbGeometry(
            List.of(data),
            List.of(data),
            List.of(),
            List.of(none, none, none, none),
            Replacement.RANDOM);
    MachineSpec spec = MachineSpec.bare(CPU).withTlb(geometry).withCpus(2);
    Machine one = factory.create(spec);
    Machine same = factory.create(spec);
    assertThat(survivors(one, 0)).isEqualTo(survivors(same, 0)).isNotEqualTo(survivors(one, 1));
  }

  private static List<Long> survivors(Machine machine, int cpu) {
    machine.memory().store(0x1000, 4, 0x2000 | 0x27);
    OperationBlock block = new OperationBlock(64);
    for (int page = 0; page < 64; page++) {
      machine.memory().store(0x2000 + page * 4, 4, 0x100000 | 0x67);
      block.probe(0, page * 4096L);
    }
    assertThat(machine.cpu(cpu).enter(paged(), block, 64)).isEqualTo(ExitReason.DONE);
    List<Long> live = new ArrayList<>();
    Objects.requireNonNull(machine.cpu(cpu).translationCache())
        .forEach((where, tag, pcid, linear, shift, fetch, translation) -> live.add(linear));
    return live;
  }

  /**
   * First level for data, 4 KiB, 2 MiB, 1 GiB pages; for fetches of 4 KiB; second level of 4 KiB.
   */
  @ParameterizedTest
  @CsvSource({
    "sandy-bridge, 64, 32, 4, 128, 512",
    "haswell, 64, 32, 4, 128, 1024",
    "skylake, 64, 32, 4, 128, 1536",
    "ice-lake, 64, 32, 8, 128, 2048",
    "zen2, 64, 64, 64, 64, 2048",
    "tiny, 4, 2, 2, 4, 8"
  })
  void presetsHaveTheSizesThatTheirMakersPublish(
      String name, int small, int large, int huge, int fetch, int second) {
    MachineFactory.Preset preset = factory.presets().get(name);
    TlbGeometry geometry = preset.geometry();
    assertThat(entries(geometry.data(), 0)).isEqualTo(small);
    assertThat(entries(geometry.data(), 1)).isEqualTo(large);
    if (!"tiny".equals(name)) {
      assertThat(entries(geometry.data(), 2)).isEqualTo(huge);
    }
    assertThat(entries(geometry.instructions(), 0)).isEqualTo(fetch);
    assertThat(entries(geometry.second(), 0)).isEqualTo(second);
    assertThat(geometry.replacement()).isEqualTo(Replacement.LRU);
    assertThat(preset.core()).isNotBlank();
    assertThat(preset.source()).isNotBlank();
  }

  private static int entries(List<Tlb> tlbs, int size) {
    return tlbs.stream().filter(tlb -> tlb.holds(size)).mapToInt(t -> t.array().entries()).sum();
  }
}
