// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static dev.quire.paging.shadow.HostedGuest.FIRST;
import static dev.quire.paging.shadow.HostedGuest.FLAGS;
import static dev.quire.paging.shadow.HostedGuest.FRAMES;
import static dev.quire.paging.shadow.HostedGuest.linear;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A table that is out of sync serves what was used before; but no CPU holds a translation by a path
 * that was not there, was not used or did not permit as much.
 */
class NewPathsTest {
  private static final long READ = Access.of(0, false, false);
  private static final PagingFormat FORMAT = PagingFormat.FOUR_LEVEL;

  /** An entry of the level-2 table leads to the last-level table too, from here on. */
  private static final int OTHER = 5;

  private static final int OLD = 20;
  private static final int NEW = 41;

  private final HostedGuest guest = new HostedGuest();
  private final OperationBlock block = guest.block;

  static List<PagingBackend> backends() {
    return List.of(new ShadowBackend(), new ClassicBackend());
  }

  private static long other(int frame) {
    return ((long) OTHER << 21) + linear(frame) - linear(FIRST);
  }

  /** What is mapped at {@link #OLD} is used, then the guest maps {@link #NEW} there. */
  private Domain outOfSync(PagingBackend backend, long flagsAbove) {
    Domain domain = guest.create(backend, 96);
    guest.writeTables(FORMAT);
    domain.deviceStore(0x2000 + 8 * OTHER, 8, 0x3000 | flagsAbove);
    domain.deviceStore((long) OLD << 12, 8, OLD);
    domain.deviceStore((long) NEW << 12, 8, NEW);
    guest.boot(FORMAT);
    block.clear();
    block.load(READ, linear(OLD), 8);
    block.store(
        READ | Access.WRITE, linear(FRAMES) + 8 * (OLD - FIRST), 8, (long) NEW << 12 | FLAGS);
    guest.run(RunResult.DONE);
    assertThat(domain.paging().lagsBehind(3)).isTrue();
    return domain;
  }

  private long load(long linear) {
    block.clear();
    block.load(READ, linear, 8);
    guest.run(RunResult.DONE);
    return block.results()[0];
  }

  @ParameterizedTest
  @MethodSource("backends")
  void anEntryThatWasNotUsedLeadsToNothingOld(PagingBackend backend) {
    outOfSync(backend, FLAGS);
    load(other(OLD + 1));
    assertThat(load(other(OLD))).isEqualTo(NEW);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void neitherDoesOneThatIsWritten(PagingBackend backend) {
    Domain domain = outOfSync(backend, 0);
    domain.deviceStore(0x2000 + 8 * OTHER, 8, 0x3000 | FLAGS | PageEntry.A);
    assertThat(load(other(OLD))).isEqualTo(NEW);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void neitherDoesOneOfAHigherLevel(PagingBackend backend) {
    Domain domain = outOfSync(backend, 0);
    domain.deviceStore(0x1000 + 8 * 7, 8, 0x2000 | FLAGS | PageEntry.A);
    assertThat(load((7L << 30) + linear(OLD))).isEqualTo(NEW);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void whatWasUsedServesAsBefore(PagingBackend backend) {
    outOfSync(backend, FLAGS);
    assertThat(load(linear(OLD))).isEqualTo(OLD);
  }
}
