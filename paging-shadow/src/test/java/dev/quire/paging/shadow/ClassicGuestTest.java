// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static dev.quire.paging.shadow.HostedGuest.FLAGS;
import static dev.quire.paging.shadow.HostedGuest.FRAMES;
import static dev.quire.paging.shadow.HostedGuest.entryOf;
import static dev.quire.paging.shadow.HostedGuest.linear;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Shadow paging of the first generation: tables of any level out of sync, all resynced at once. */
class ClassicGuestTest {
  private static final long SUPERVISOR = Access.of(0, false, false);

  private final HostedGuest guest = new HostedGuest();
  private final OperationBlock block = guest.block;
  private Domain domain;

  private void start(PagingFormat format, Map<String, String> options) {
    domain = guest.create(new ClassicBackend().with(options), 64);
    guest.writeTables(format);
    for (int table = 0; table < format.levels(); table++) {
      long at = entryOf(format, mapped(table));
      domain.deviceStore(at, format.entryBytes(), (long) table << 12 | FLAGS);
    }
    guest.boot(format);
    block.clear();
  }

  /** The number of the page at which a guest of {@link #start} has a table of its own mapped. */
  private static int mapped(int table) {
    return FRAMES + 1 + table;
  }

  private long count(String title) {
    Long value = domain.paging().statistics().get(title);
    assertThat(value).as(title).isNotNull();
    return value;
  }

  static List<PagingFormat> formats() {
    return PagingFormat.ALL;
  }

  @ParameterizedTest
  @MethodSource("formats")
  void tablesOfEveryLevelGoOutOfSyncAndBackTogether(PagingFormat format) {
    start(format, Map.of());
    int first = format.rootInRegisters() ? 1 : 0; // the table of PDPTEs has no shadow
    for (int table = 0; table < format.levels(); table++) {
      block.store(SUPERVISOR, linear(mapped(table)) + 7L * format.entryBytes(), 4, 0);
    }
    guest.run(RunResult.DONE);
    assertThat(count("unsyncs")).isEqualTo(format.levels() - first);
    assertThat(domain.paging().statistics()).doesNotContainKey("emulated-table-writes");
    for (int table = first; table < format.levels(); table++) {
      assertThat(domain.paging().lagsBehind(table)).isTrue();
    }
    block.clear();
    block.control(Kind.MOV_CR3, 0);
    guest.run(RunResult.DONE);
    assertThat(count("resync-all-at-cr3")).isEqualTo(1);
    assertThat(count("resyncs")).isEqualTo(format.levels() - first);
    assertThat(count("writable-found-by-entry")).isEqualTo(format.levels() - first);
    for (int table = first; table < format.levels(); table++) {
      assertThat(domain.paging().lagsBehind(table)).isFalse();
    }
  }

  @ParameterizedTest
  @MethodSource("formats")
  void invlpgResyncsIfTheEntriesOfTheAddressChanged(PagingFormat format) {
    start(format, Map.of());
    int bytes = format.entryBytes();
    long table = linear(FRAMES);
    block.load(SUPERVISOR, linear(20), 8);
    block.load(SUPERVISOR, linear(21), 8);
    block.store(SUPERVISOR, table + 4L * bytes, bytes, 40L << 12 | FLAGS); // page 20
    block.control(Kind.INVLPG, linear(21));
    guest.run(RunResult.DONE);
    assertThat(count("resync-all-at-invlpg")).isZero();
    block.clear();
    block.control(Kind.INVLPG, linear(20));
    block.store(SUPERVISOR, linear(20), 8, 4711);
    guest.run(RunResult.DONE);
    assertThat(count("resync-all-at-invlpg")).isEqualTo(1);
    assertThat(domain.deviceLoad(40L << 12, 8)).isEqualTo(4711);
  }

  @ParameterizedTest
  @MethodSource("formats")
  void aFaultResyncsIfTheEntriesOfItsAddressChanged(PagingFormat format) {
    start(format, Map.of());
    int bytes = format.entryBytes();
    block.load(SUPERVISOR, linear(20), 8);
    block.store(SUPERVISOR, linear(FRAMES) + 14L * bytes, bytes, 40L << 12 | FLAGS); // page 30
    block.load(SUPERVISOR, linear(31), 8);
    guest.run(RunResult.DONE);
    assertThat(count("resync-all-at-fault")).isZero();
    block.clear();
    block.store(SUPERVISOR, linear(30), 8, 4711);
    guest.run(RunResult.DONE);
    assertThat(count("resync-all-at-fault")).isEqualTo(1);
    assertThat(domain.deviceLoad(40L << 12, 8)).isEqualTo(4711);
  }

  @ParameterizedTest
  @MethodSource("formats")
  void lastLevelTablesAreFoundThroughHighLevelTables(PagingFormat format) {
    start(format, Map.of());
    block.load(SUPERVISOR, linear(20), 8);
    guest.run(RunResult.DONE);
    PagingMode mode = domain.paging().updatePagingModes(domain.vcpu(0));
    long hits = count("hl2-hits");
    long found = mode.translate(domain.vcpu(0), linear(30), Access.WRITE, null);
    assertThat(Translation.frame(found)).isEqualTo(30L << 12);
    assertThat(count("hl2-hits")).isEqualTo(hits + 1);
    long level2 = (long) format.levels() - 2 << 12;
    long at = level2 + (long) format.index(linear(30), 2) * format.entryBytes();
    domain.deviceStore(at, format.entryBytes(), 41L << 12 | FLAGS);
    long other = (41L << 12) + (long) format.index(linear(30), 1) * format.entryBytes();
    domain.deviceStore(other, format.entryBytes(), 42L << 12 | FLAGS);
    long moved = mode.translate(domain.vcpu(0), linear(30), Access.WRITE, null);
    assertThat(Translation.frame(moved)).isEqualTo(42L << 12);
  }

  @Test
  void aTableThatTheGuestEmptiesIsNoneAnyMore() {
    start(PagingFormat.FOUR_LEVEL, Map.of());
    block.store(SUPERVISOR, linear(mapped(2)) + 8L * 2, 8, 0);
    block.control(Kind.MOV_CR3, 0);
    guest.run(RunResult.DONE);
    assertThat(count("unshadowed-frames")).isEqualTo(1);
    assertThat(count("shadows-l2-64")).isZero();
    domain.deviceStore(0x2000 + 8 * 2, 8, 3L << 12 | FLAGS);
    block.clear();
    block.load(SUPERVISOR, linear(20), 8);
    guest.run(RunResult.DONE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"on", "off"})
  void readOnlyTablesAboveTheLastLevelAreEnforcedUnlessAsInXen(String option) {
    start(PagingFormat.FOUR_LEVEL, Map.of("upper-rw", option));
    domain.deviceStore(0x2000 + 8 * 2, 8, 3L << 12 | PageEntry.P | PageEntry.US);
    long used = FLAGS | PageEntry.A | PageEntry.D;
    domain.deviceStore(entryOf(PagingFormat.FOUR_LEVEL, 20), 8, 20L << 12 | used);
    block.store(SUPERVISOR, linear(20), 8, 1);
    guest.run(RunResult.FAULT); // the fault handler knows in any case
    assertThat(domain.vcpu(0).faultErrorCode()).as("P W").isEqualTo(3);
    block.clear();
    block.load(SUPERVISOR, linear(20), 8);
    block.store(SUPERVISOR, linear(20), 8, 1);
    guest.run(option.equals("on") ? RunResult.FAULT : RunResult.DONE);
  }

  @Test
  void aPoolThatIsTooSmallIsRefusedAtOnce() {
    assertThatThrownBy(() -> guest.create(new ClassicBackend(), 23))
        .isInstanceOf(BackendUnavailableException.class)
        .hasMessageContaining("shadow paging of 1 vCPUs needs a pool with 20 free frames");
    assertThat(guest.create(new ClassicBackend(), 24)).isNotNull();
  }

  @Test
  void optionsThatThereAreNotAreRefused() {
    assertThatThrownBy(() -> new ClassicBackend().with(Map.of("oos", "on")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no option oos; there are: rmap, upper-rw");
  }
}
