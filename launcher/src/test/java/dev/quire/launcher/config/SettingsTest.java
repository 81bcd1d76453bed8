// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.guest.InputException;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SettingsTest {
  private static final TlbGeometry PRESET =
      new TlbGeometry(
          List.of(new Tlb(new Array(16, 4), 0b111)),
          List.of(new Tlb(new Array(16, 8), 0b111)),
          List.of(new Tlb(new Array(128, 12), 0b011)),
          List.of(new Array(1, 8), new Array(1, 4), new Array(1, 2), Array.NONE),
          Replacement.LRU);

  @TempDir Path folder;

  private Path file(String text) {
    try {
      return Files.writeString(folder.resolve("x.conf"), text);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private Settings read(String text, String... overrides) {
    return Settings.read(file(text), Stream.of(overrides).map(Assignment::set).toList());
  }

  private void assertRefused(String text, String message) {
    assertThatThrownBy(() -> read(text))
        .isInstanceOf(InputException.class)
        .hasMessage(message.replace("FILE", folder.resolve("x.conf").toString()));
  }

  @Test
  void nothingSaidIsADefaultMachineUnderNativePaging() {
    Settings settings = Settings.read(null, List.of());
    MachineSettings machine = settings.machine();
    assertThat(machine.profile().vendor()).isEqualTo(Vendor.INTEL);
    assertThat(machine.profile().physicalBits()).isEqualTo(40);
    assertThat(machine.profile().features()).isEqualTo(CpuProfile.allOf(Vendor.INTEL));
    assertThat(machine.cpus()).isEqualTo(1);
    assertThat(machine.ram()).isEmpty();
    assertThat(machine.tlb()).isPresent();
    assertThat(machine.cache()).isEmpty();
    assertThat(settings.paging().backend().value()).isEqualTo("native");
    assertThat(settings.paging().options().value()).isEmpty();
    assertThat(settings.bundles()).isEmpty();
    assertThat(settings.workload().kind().value()).isEqualTo("replay");
    assertThat(settings.workload().options()).isEmpty();
    assertThat(settings.report().json()).isNull();
  }

  @Test
  void fileSaysWhatIsDifferent() {
    Settings settings =
        read(
            """
            machine {
              vendor = AMD
              maxphyaddr = 46
              features = [ pae, nx, long-mode, page-1g, -nx ]
              cpus = 4
              ram = 2G
              caching = off
              cache = mine
              seed = 77
              trained = no
            }
            paging.backend = shadow
            paging.options.oos = off
            bundles = [ dev.quire.hw-x86, a.b ]
            report { differences = 3, json = out.json }
            """);
    MachineSettings machine = settings.machine();
    assertThat(machine.profile().vendor()).isEqualTo(Vendor.AMD);
    assertThat(machine.profile().physicalBits()).isEqualTo(46);
    assertThat(machine.profile().features())
        .containsExactlyInAnyOrder(Feature.PAE, Feature.LONG_MODE, Feature.PAGE_1G);
    assertThat(machine.cpus()).isEqualTo(4);
    assertThat(machine.ram())
        .contains(List.of(new Ram(0, 0xa0000), new Ram(0x100000, (2L << 30) - 0x100000)));
    assertThat(machine.tlb()).isEmpty();
    assertThat(machine.cache().orElseThrow().value()).isEqualTo("mine");
    assertThat(machine.seed()).isEqualTo(77);
    assertThat(machine.trained()).isFalse();
    assertThat(settings.paging().backend().value()).isEqualTo("shadow");
    assertThat(settings.paging().options().value()).containsExactly(Map.entry("oos", "off"));
    assertThat(settings.bundles().orElseThrow())
        .extracting(Setting::value)
        .containsExactly("dev.quire.hw-x86", "a.b");
    assertThat(settings.report().differences()).isEqualTo(3);
    assertThat(settings.report().json()).isEqualTo(folder.resolve("out.json"));
  }

  @Test
  void rangesOfRamAreTakenAsTheyAre() {
    assertThat(
            read("machine.ram = [ {start = 0, size = 4K}, {start = 1M, size = 1M} ]")
                .machine()
                .ram())
        .contains(List.of(new Ram(0, 4096), new Ram(1 << 20, 1 << 20)));
  }

  @Test
  void smallRamHasNoHole() {
    assertThat(Ram.pc(0x8000)).containsExactly(new Ram(0, 0x8000));
    assertThat(Ram.pc(0xa0000)).containsExactly(new Ram(0, 0xa0000));
    assertThat(Ram.pc(0x100000)).containsExactly(new Ram(0, 0xa0000));
    assertThat(Ram.pc(0x101000)).containsExactly(new Ram(0, 0xa0000), new Ram(0x100000, 0x1000));
  }

  @Test
  void domainLiesAsItsBackendNeedsUnlessItIsSaid() {
    List<Ram> memory = List.of(new Ram(0, 1 << 20));
    DomainSettings silent = read("").domain();
    assertThat(silent.spec(2, memory, true, 7))
        .isEqualTo(new DomainSpec(2, memory, Placement.IDENTITY, 0, 0, 7));
    assertThat(silent.spec(2, memory, false, 7).placement()).isEqualTo(Placement.SCATTERED);
    DomainSettings said =
        read("domain { placement = contiguous, largest-page = 1G, pool = 1M }").domain();
    assertThat(said.spec(1, memory, true, 7))
        .isEqualTo(new DomainSpec(1, memory, Placement.CONTIGUOUS, 18, 256, 7));
  }

  @Test
  void presetIsTheTlbUnlessItIsChanged() {
    TlbSettings tlb = read("machine.tlb.preset = some-core").machine().tlb().orElseThrow();
    assertThat(tlb.preset().value()).isEqualTo("some-core");
    assertThat(tlb.differsFromPreset()).isFalse();
    assertThat(tlb.geometry(PRESET)).isEqualTo(PRESET);
  }

  @Test
  void geometryIsThePresetWithWhatIsSaidOfIt() {
    TlbSettings tlb =
        read("""
        machine.tlb {
          data = [ { sizes = [4K], sets = 8, ways = 2 }, { sizes = [2M, 1G], sets = 1, ways = 4 } ]
          second = []
          structures { pde { sets = 4, ways = 4 }, pml4e { sets = 1, ways = 2 } }
          replacement = tree-plru
        }
        """)
            .machine()
            .tlb()
            .orElseThrow();
    assertThat(tlb.differsFromPreset()).isTrue();
    TlbGeometry geometry = tlb.geometry(PRESET);
    assertThat(geometry.data())
        .containsExactly(new Tlb(new Array(8, 2), 0b001), new Tlb(new Array(1, 4), 0b110));
    assertThat(geometry.instructions()).isEqualTo(PRESET.instructions());
    assertThat(geometry.second()).isEmpty();
    assertThat(geometry.structures())
        .containsExactly(new Array(4, 4), Array.NONE, new Array(1, 2), Array.NONE);
    assertThat(geometry.replacement()).isEqualTo(Replacement.TREE_PLRU);
  }

  @Test
  void impossibleGeometryIsRefusedWithItsPlace() {
    TlbSettings tlb =
        read("machine.tlb.data = [ { sizes = [2M], sets = 8, ways = 2 } ]")
            .machine()
            .tlb()
            .orElseThrow();
    assertThatThrownBy(() -> tlb.geometry(PRESET))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("machine.tlb: ")
        .hasMessageContaining("none of them holds 4 KiB pages");
  }

  @Test
  void optionsOfTheWorkloadArePassedOnAsText() {
    Settings settings =
        read(
            """
            workload {
              kind = mine
              check-ad = true
              depth = 3
              nested { key = value }
            }
            """);
    assertThat(settings.workload().kind().value()).isEqualTo("mine");
    assertThat(settings.workload().options())
        .containsEntry("check-ad", "true")
        .containsEntry("depth", "3")
        .containsEntry("nested.key", "value")
        .hasSize(3);
  }

  @Test
  void filesAreRelativeToWhereTheyAreWritten() {
    assertThat(read("workload.trace = ../traces/a.zst").workload().options())
        .containsEntry("trace", folder.resolveSibling("traces/a.zst").toString());
    assertThat(read("", "workload.trace=traces/a.zst").workload().options())
        .containsEntry("trace", "traces/a.zst");
    assertThat(read("", "report.json=a.json").report().json()).isEqualTo(Path.of("a.json"));
  }

  @Test
  void workloadsMistakesAreNamedWithTheSectionIfItStandsInAFile() {
    InputException found = new InputException("no such guest");
    assertThat(read("\n\nworkload {\n kind = mine\n depth = 2\n}").workload().mistake(found))
        .hasMessage(folder.resolve("x.conf") + ":4: workload: no such guest");
    assertThat(Settings.read(null, List.of()).workload().mistake(found)).isSameAs(found);
  }

  @Test
  void laterOverridesWin() {
    Settings settings = read("machine.cpus = 2", "machine.cpus=3", "machine.cpus=5");
    assertThat(settings.machine().cpus()).isEqualTo(5);
  }

  @Test
  void machineMayHaveTheFeaturesOfBothMakers() {
    assertThat(read("", "machine.features=[both-vendors, -pml]").machine().profile().features())
        .contains(Feature.NPT, Feature.EPT)
        .doesNotContain(Feature.PML);
  }

  @Test
  void overridesMayBeLists() {
    assertThat(read("", "machine.features=[all, -la57]").machine().profile().features())
        .doesNotContain(Feature.LA57)
        .hasSize(CpuProfile.allOf(Vendor.INTEL).size() - 1);
  }

  @Test
  void mistakeInAnOverrideIsNamedByIt() {
    assertThatThrownBy(() -> read("", "machine.cpus=many"))
        .hasMessage(
            "--set machine.cpus=many: machine.cpus: a whole number is wanted, not \"many\"");
    assertThatThrownBy(() -> read("", "machine")).hasMessage("--set machine: KEY=VALUE is wanted");
    assertThatThrownBy(() -> read("", "a..b=1"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("--set a..b=1");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\0',
      value = {
        "\\n\\nmachine.cpus = many | FILE:3: machine.cpus: a whole number is wanted, not \"many\"",
        "machine {\\n cpus = 300 } | FILE:2: machine.cpus: 300 is not within 1..256",
        "machine.maxphyaddr = 53 | FILE:1: machine.maxphyaddr: 53 is not within 32..52",
        "machine.vendor = via | FILE:1: machine.vendor: no \"via\"; there are: amd, intel",
        "machine.caching = 3 | FILE:1: machine.caching: on or off is wanted, not 3",
        "machine.ram = much | FILE:1: machine.ram: a size such as 640M is wanted, not \"much\"",
        "machine.ram = 5000 | FILE:1: machine.ram: not a multiple of 4K above zero",
        "machine.ram = [{start=1,size=4K}] | FILE:1: machine.ram[0].start: not a multiple of 4K",
        "machine.ram = [{start=0}] | FILE:1: machine.ram[0]: size is missing",
        "machine.tlb = [] | FILE:1: machine.tlb: a section { ... } is wanted, not []",
        "machine.tlb.data = [{sizes=[4M],sets=1,ways=1}] |"
            + " FILE:1: machine.tlb.data[0].sizes: no \"4M\"; there are: 4k, 2m, 1g",
        "machine.tlb.data = [{sizes=[4K],sets=3,ways=1}] |"
            + " FILE:1: machine.tlb.data[0].sets: 3 sets: not a power of two",
        "machine.tlb.structures.pte {} |"
            + " FILE:1: machine.tlb.structures.pte: no such key;"
            + " there are: pde, pdpte, pml4e, pml5e",
        "domain.placement = here |"
            + " FILE:1: domain.placement: no \"here\"; there are: identity, contiguous, scattered",
        "domain.largest-page = 4M |"
            + " FILE:1: domain.largest-page: no \"4M\"; there are: 4k, 2m, 1g",
        "domain.pool = 5000 | FILE:1: domain.pool: not a multiple of 4K",
        "paging.backnd = x | FILE:1: paging.backnd: no such key; there are: backend, fallback, options",
        "bundles = some | FILE:1: bundles: \"all\" or a list of bundles is wanted",
        "machin.cpus = 1 | FILE:1: machin: no such key;"
            + " there are: machine, domain, paging, bundles, workload, report",
        "workload.list = [1] | FILE:1: workload.list: a plain value is wanted",
      })
  void mistakesAreNamedWithFileLineAndKey(String text, String message) {
    assertRefused(text.replace("\\n", "\n"), message);
  }

  @Test
  void brokenSyntaxIsNamedWithItsLine() {
    assertThatThrownBy(() -> read("machine {\n  cpus = 1\n"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("x.conf: 3");
  }

  @Test
  void substitutionThatLeadsNowhereIsNamed() {
    assertThatThrownBy(() -> read("machine.cpus = ${nowhere}"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("x.conf: 1")
        .hasMessageContaining("nowhere");
  }

  @Test
  void absentFileIsNamed() {
    Path absent = folder.resolve("absent.conf");
    assertThatThrownBy(() -> Settings.read(absent, List.of()))
        .isInstanceOf(InputException.class)
        .hasMessage(absent + ": no such configuration file");
  }

  @ParameterizedTest
  @CsvSource({
    "hap-npt, AMD, hap-npt",
    "hap-ept, INTEL, hap-ept",
    "hap, INTEL, hap-ept",
    "shadow, INTEL, shadow",
  })
  void machineIsThatOfTheNamedBackendWhereNothingElseIsSaid(
      String written, Vendor vendor, String backend) {
    Settings settings = read("paging.backend = " + written);
    assertThat(settings.machine().profile().vendor()).isEqualTo(vendor);
    assertThat(settings.machine().profile().features()).isEqualTo(CpuProfile.allOf(vendor));
    assertThat(settings.paging().backend().value()).isEqualTo(backend);
    assertThat(settings.paging().fallback()).isEmpty();
  }

  @Test
  void hapIsWhatTheMachinesMakerCallsIt() {
    Settings settings = read("paging { backend = hap, fallback = native }\nmachine.vendor = amd");
    assertThat(settings.paging().backend().value()).isEqualTo("hap-npt");
    assertThat(settings.paging().backend().place()).contains("x.conf:1");
    assertThat(settings.paging().fallback().orElseThrow().value()).isEqualTo("native");
  }

  @Test
  void namedBackendDoesNotOverruleAVendorThatIsWritten() {
    Settings settings = read("paging.backend = hap-npt\nmachine.vendor = intel");
    assertThat(settings.machine().profile().vendor()).isEqualTo(Vendor.INTEL);
    assertThat(settings.paging().backend().value()).isEqualTo("hap-npt");
  }
}
