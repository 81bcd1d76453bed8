// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static dev.quire.paging.shadow.HostedGuest.FLAGS;
import static dev.quire.paging.shadow.HostedGuest.FRAMES;
import static dev.quire.paging.shadow.HostedGuest.linear;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PagingFormat;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Which shadows are kept that nothing refers to just now, and when they are given up. */
class KeptTablesTest {
  private static final long READ = Access.of(0, false, false);
  private static final PagingFormat FORMAT = PagingFormat.FOUR_LEVEL;

  private final HostedGuest guest = new HostedGuest();
  private final OperationBlock block = guest.block;

  /** Further roots lie in frames 10 and up, each with the same tables as the first. */
  private Domain boot(int roots) {
    Domain domain = guest.create(new ShadowBackend().with(Map.of()), 128);
    guest.writeTables(FORMAT);
    guest.boot(FORMAT);
    block.clear();
    for (int i = 0; i < roots; i++) {
      domain.deviceStore(root(i), 8, 0x1000 | FLAGS);
      block.control(Kind.MOV_CR3, root(i));
      block.load(READ, linear(20), 4);
    }
    block.control(Kind.MOV_CR3, 0);
    block.load(READ, linear(20), 4);
    guest.run(RunResult.DONE);
    return domain;
  }

  private static long root(int number) {
    return 10L + number << 12;
  }

  private void ends(long root) {
    Domain domain = guest.domain;
    domain
        .paging()
        .updatePagingModes(domain.vcpu(0))
        .pagetableDying(domain.vcpu(0), Addresses.gpa(root));
  }

  private long count(String title) {
    return guest.domain.paging().statistics().get(title);
  }

  @Test
  void whereRootsAreFewTablesOfLevel3AreKept() {
    Domain domain = boot(0);
    long made = count("shadows-made");
    domain.deviceStore(0, 8, 0);
    assertThat(count("shadows-l3-64")).isEqualTo(1);
    domain.deviceStore(0, 8, 0x1000 | FLAGS);
    block.clear();
    block.load(READ, linear(20), 4);
    guest.run(RunResult.DONE);
    assertThat(count("shadows-made")).isEqualTo(made);
  }

  @Test
  void whereRootsAreManyTheyAreNot() {
    Domain domain = boot(2);
    for (long root : new long[] {0, root(0), root(1)}) {
      domain.deviceStore(root, 8, 0);
    }
    assertThat(count("shadows-l3-64")).as("as many roots as two a vCPU, and one").isEqualTo(1);
    block.clear();
    block.control(Kind.MOV_CR3, root(2));
    guest.run(RunResult.DONE);
    assertThat(count("shadows-l3-64")).isZero();
    assertThat(count("shadows-l4-64")).isEqualTo(4);
  }

  @ParameterizedTest
  @EnumSource(RootUse.class)
  void whatProgramsReachByADyingRootGoesAtOnce(RootUse use) {
    Domain domain = boot(1);
    long root = use == RootUse.IN_USE ? 0 : root(0);
    ends(root);
    assertThat(domain.paging().audit()).isEmpty();
    assertThat(count("dying-tables-told")).isEqualTo(1);
    long faults = count("faults");
    block.clear();
    block.load(READ, linear(20), 4);
    guest.run(RunResult.DONE);
    assertThat(count("faults") - faults).isEqualTo(use == RootUse.IN_USE ? 1 : 0);
  }

  @ParameterizedTest
  @EnumSource(RootUse.class)
  void aDyingRootThatIsWrittenIsNoTableAnyMoreUnlessItIsInUse(RootUse use) {
    Domain domain = boot(1);
    long root = use == RootUse.IN_USE ? 0 : root(0);
    ends(root);
    long entry = HostedGuest.entryOf(FORMAT, FRAMES);
    domain.deviceStore(entry, 8, root | FLAGS); // the root as a page
    block.clear();
    block.store(READ | Access.WRITE, linear(FRAMES) + 8, 8, 0);
    guest.run(RunResult.DONE);
    assertThat(count("shadows-l4-64")).isEqualTo(use == RootUse.IN_USE ? 2 : 1);
  }

  @Test
  void onceAGuestTellsNobodyGuesses() {
    Domain domain = boot(1);
    ends(root(1));
    domain.deviceStore(root(0) + 8, 8, 0);
    domain.deviceStore(root(0) + 16, 8, 0);
    assertThat(count("shadows-l4-64")).isEqualTo(2);
  }

  @Test
  void unlessItTellsTwoZerosEndATable() {
    Domain domain = boot(1);
    domain.deviceStore(root(0) + 8, 8, 0);
    domain.deviceStore(root(0) + 16, 8, 0);
    assertThat(count("shadows-l4-64")).isEqualTo(1);
  }

  /** Whether a vCPU has a root in CR3. */
  private enum RootUse {
    IN_USE,
    NOT_IN_USE
  }
}
