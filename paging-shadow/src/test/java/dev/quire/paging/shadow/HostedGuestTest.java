// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static dev.quire.paging.shadow.HostedGuest.FIRST;
import static dev.quire.paging.shadow.HostedGuest.FLAGS;
import static dev.quire.paging.shadow.HostedGuest.FRAMES;
import static dev.quire.paging.shadow.HostedGuest.entryOf;
import static dev.quire.paging.shadow.HostedGuest.linear;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A guest of a real hypervisor on a real machine boots, pages, and changes its own tables. */
class HostedGuestTest {
  private final HostedGuest guest = new HostedGuest();
  private final OperationBlock block = guest.block;
  private Domain domain;

  private Domain guest(int pool) {
    return guest(pool, "on");
  }

  private Domain guest(int pool, String outOfSync) {
    domain = guest.create(new ShadowBackend().with(Map.of("oos", outOfSync)), pool);
    return domain;
  }

  static List<PagingFormat> formats() {
    return PagingFormat.ALL;
  }

  private long writeTables(PagingFormat format) {
    return guest.writeTables(format);
  }

  private void boot(PagingFormat format) {
    guest.boot(format);
  }

  private void run(RunResult expected) {
    guest.run(expected);
  }

  @ParameterizedTest
  @MethodSource("formats")
  void aGuestBootsAndItsAccessesReachItsFrames(PagingFormat format) {
    guest(64);
    writeTables(format);
    block.clear();
    block.store(Access.WRITE, 0x20_018, 8, 77);
    run(RunResult.DONE);
    assertThat(domain.deviceLoad(0x20_018, 8)).as("without paging").isEqualTo(77);
    boot(format);
    block.clear();
    for (int i = FIRST; i < FIRST + 16; i++) {
      block.store(Access.of(0, true, false), linear(i) + 8, 8, i);
    }
    run(RunResult.DONE);
    for (int i = FIRST; i < FIRST + 16; i++) {
      assertThat(domain.deviceLoad(((long) i << 12) + 8, 8)).isEqualTo(i);
    }
    long leaf = domain.deviceLoad(entryOf(format, FIRST), format.entryBytes());
    assertThat(leaf & (PageEntry.A | PageEntry.D)).isEqualTo(PageEntry.A | PageEntry.D);
  }

  @ParameterizedTest
  @MethodSource("formats")
  void aGuestChangesItsTablesWhereItHasThemMapped(PagingFormat format) {
    guest(64, "off");
    changeTables(format);
    assertThat(domain.paging().statistics()).containsEntry("emulated-table-writes", 2L);
  }

  @ParameterizedTest
  @MethodSource("formats")
  void aGuestWritesItsTablesItselfUntilItInvalidates(PagingFormat format) {
    guest(64);
    changeTables(format);
    assertThat(domain.paging().statistics())
        .containsEntry("emulated-table-writes", 0L)
        .containsEntry("unsyncs", 1L)
        .containsEntry("resyncs", 0L);
    assertThat(domain.paging().lagsBehind(entryOf(format, FIRST) >>> 12)).isTrue();
    block.clear();
    block.control(Kind.MOV_CR3, 0);
    run(RunResult.DONE);
    assertThat(domain.paging().statistics()).containsEntry("resyncs", 1L);
    assertThat(domain.paging().lagsBehind(entryOf(format, FIRST) >>> 12)).isFalse();
    assertThat(domain.paging().audit()).isEmpty();
  }

  private void changeTables(PagingFormat format) {
    writeTables(format);
    boot(format);
    int bytes = format.entryBytes();
    long entry = linear(FRAMES) + (long) format.index(linear(FIRST), 1) * bytes;
    block.clear();
    block.load(Access.of(0, false, false), linear(FIRST), 8);
    block.store(Access.of(0, false, false), entry, bytes, 40L << 12 | FLAGS);
    block.control(Kind.INVLPG, linear(FIRST));
    block.store(Access.of(0, false, false), linear(FIRST), 8, 4711);
    block.compareExchange(false, false, entry, bytes, 40L << 12 | FLAGS | 0x60, 0);
    block.control(Kind.INVLPG, linear(FIRST));
    block.load(Access.of(0, false, false), linear(FIRST), 8);
    run(RunResult.FAULT);
    assertThat(block.next()).isEqualTo(6);
    assertThat(domain.vcpu(0).faultErrorCode()).isZero();
    assertThat(domain.deviceLoad(40L << 12, 8)).isEqualTo(4711);
    assertThat(domain.deviceLoad(entryOf(format, FIRST), bytes)).isZero();
  }

  @ParameterizedTest
  @MethodSource("formats")
  void withoutWriteProtectionTheGuestsKernelWritesWhatItMay(PagingFormat format) {
    guest(64);
    writeTables(format);
    boot(format);
    domain.deviceStore(entryOf(format, 20), format.entryBytes(), 20L << 12 | PageEntry.P);
    block.clear();
    block.control(Kind.MOV_CR0, Cr0.PE | Cr0.PG);
    block.store(Access.of(0, false, false), linear(20), 4, 5);
    block.store(Access.of(0, true, false), linear(20), 4, 6);
    run(RunResult.FAULT);
    assertThat(block.next()).isEqualTo(2);
    assertThat(domain.vcpu(0).faultErrorCode()).as("P W U").isEqualTo(7);
    assertThat(domain.deviceLoad(20L << 12, 4)).isEqualTo(5);
    long leaf = domain.deviceLoad(entryOf(format, 20), format.entryBytes());
    assertThat(leaf & PageEntry.D).isNotZero();
  }

  @Test
  void devicesAreEmulated() {
    guest(64);
    writeTables(PagingFormat.FOUR_LEVEL);
    boot(PagingFormat.FOUR_LEVEL);
    domain.deviceStore(entryOf(PagingFormat.FOUR_LEVEL, 20), 8, 0xf000_0000L | FLAGS);
    block.clear();
    block.load(Access.of(0, false, false), linear(20), 4);
    block.store(Access.of(0, false, false), linear(20), 4, 6);
    run(RunResult.DONE);
    assertThat(block.results()[0]).isEqualTo(0xffff_ffffL);
    assertThat(block.reached()[0]).isEqualTo(OperationBlock.DEVICE | 0xf000_0000L);
  }

  @Test
  void switchingBackAndForthKeepsTheShadows() {
    guest(64);
    writeTables(PagingFormat.FOUR_LEVEL);
    boot(PagingFormat.FOUR_LEVEL);
    domain.deviceStore(0xa000, 8, 0x1000 | FLAGS); // a second root with the same tables
    block.clear();
    for (int i = 0; i < 4; i++) {
      block.control(Kind.MOV_CR3, i % 2 == 0 ? 0xa000 : 0);
      block.load(Access.of(0, false, false), linear(20), 4);
    }
    run(RunResult.DONE);
    long faults = domain.vcpu(0).exits(ExitReason.PAGE_FAULT);
    block.next(0);
    run(RunResult.DONE);
    assertThat(domain.vcpu(0).exits(ExitReason.PAGE_FAULT)).isEqualTo(faults);
  }

  @Test
  void aTableThatLosesItsSlotIsWrittenUnseenNoLonger() {
    guest(64);
    writeTables(PagingFormat.FOUR_LEVEL);
    boot(PagingFormat.FOUR_LEVEL);
    block.clear();
    for (int i = 0; i < 4; i++) { // one table more than a vCPU has slots; all are mapped as pages
      domain.deviceStore(0x2000 + 8L * (3 + i), 8, (20L + i) << 12 | FLAGS);
      domain.deviceStore((20L + i) << 12, 8, (30L + i) << 12 | FLAGS);
      block.load(Access.of(0, false, false), 0x60_0000L + ((long) i << 21), 8);
    }
    for (int i = 0; i < 4; i++) {
      block.store(Access.of(0, false, false), linear(20 + i) + 8, 8, (34L + i) << 12 | FLAGS);
    }
    run(RunResult.DONE);
    assertThat(domain.paging().statistics()).containsEntry("unsyncs", 4L);
    assertThat(domain.paging().statistics().get("resyncs-for-room")).isPositive();
    assertThat(domain.paging().audit()).isEmpty();
    block.clear();
    for (int i = 0; i < 4; i++) {
      block.store(Access.of(0, false, false), linear(20 + i), 8, 0);
    }
    run(RunResult.DONE);
    assertThat(domain.paging().audit()).isEmpty();
  }

  @Test
  void aPoolThatIsTooSmallIsRefusedAtOnce() {
    Assertions.assertThatThrownBy(() -> guest(17, "off"))
        .isInstanceOf(BackendUnavailableException.class)
        .hasMessageContaining("shadow paging of 1 vCPUs needs a pool with 14 free frames");
    Assertions.assertThatThrownBy(() -> guest(20))
        .isInstanceOf(BackendUnavailableException.class)
        .hasMessageContaining("shadow paging of 1 vCPUs needs a pool with 17 free frames");
  }

  @Test
  void optionsThatThereAreNotAreRefused() {
    ShadowBackend backend = new ShadowBackend();
    Assertions.assertThatThrownBy(() -> backend.with(Map.of("oos", "perhaps")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("oos: on or off is wanted, not \"perhaps\"");
    Assertions.assertThatThrownBy(() -> backend.with(Map.of("ooz", "on")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no option ooz; there are: oos, rmap");
  }
}
