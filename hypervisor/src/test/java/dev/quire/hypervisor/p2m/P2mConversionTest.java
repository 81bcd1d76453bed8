// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.x86.PagingFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A p2m in one format becomes one in the other, or stays what it is. */
class P2mConversionTest {
  private static P2mWorld everything(P2mFormat format) {
    P2mWorld world = P2mWorld.small(P2mWorld.small(format));
    DomainP2m p2m = world.p2m;
    p2m.add(0, 0, 4, P2mType.RAM_RW);
    p2m.add(16, 16, 2, P2mType.RAM_RO);
    p2m.add(21, 33, 0, P2mType.RAM_RW);
    p2m.set(64, -1, 4, P2mType.POPULATE_ON_DEMAND, P2mAccess.RWX);
    p2m.setSpecial(90, 300, 0, P2mType.MAP_FOREIGN, P2mAccess.RWX);
    p2m.setSpecial(92, P2mWorld.DEVICE, 2, P2mType.MMIO_DIRECT, P2mAccess.RWX);
    p2m.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
    p2m.changeType(21, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
    p2m.changeTypeGlobal(P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
    p2m.changeTypeRange(2, 5, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
    return world;
  }

  private static P2mFormat other(P2mFormat format) {
    return format == P2mFormat.X86 ? P2mFormat.EPT : P2mFormat.X86;
  }

  private static void assertSame(DomainP2m one, DomainP2m two) {
    for (long gfn = 0; gfn < 256; gfn++) {
      long a = one.get(gfn);
      long b = two.get(gfn);
      assertThat(P2mEntry.type(b)).as("gfn %d", gfn).isEqualTo(P2mEntry.type(a));
      assertThat(P2mEntry.mfnOrNone(b)).as("gfn %d", gfn).isEqualTo(P2mEntry.mfnOrNone(a));
    }
    assertThat(two.end()).isEqualTo(one.end());
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void bothSayTheSameAndEitherCanBeGivenUp(P2mFormat format) {
    P2mWorld world = everything(format);
    DomainP2m old = world.p2m;
    DomainP2m made = old.convert(old.settings().withFormat(other(format)));
    assertSame(old, made);
    assertThat(made.audit()).isEmpty();
    assertThat(old.audit()).isEmpty();
    assertThat(world.pool.used()).isEqualTo(old.tableFrames() + made.tableFrames());
    old.discard();
    assertThat(world.pool.used()).isEqualTo(made.tableFrames());
    assertThat(made.audit()).isEmpty();
    assertThat(world.m2p.references(300)).isEqualTo(1);
    assertThat(made.remove(0, 0, 4)).isEqualTo(Errno.OK);
    assertThat(made.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY)).isEqualTo(Errno.OK);
    assertThat(made.clearSpecial(90, 300, 0)).isEqualTo(Errno.OK);
    assertThat(made.audit()).isEmpty();
    assertThat(made.close(Long.MAX_VALUE)).isEqualTo(Errno.OK);
    assertThat(world.pool.used()).isZero();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void withoutMemoryForBothTheOldOneStays(P2mFormat format) {
    P2mWorld world = everything(format);
    P2mSettings settings = world.p2m.settings().withFormat(other(format));
    long used = world.pool.used();
    world.allocations = 0;
    world.p2m.convert(settings).discard();
    int needed = world.allocations;
    assertThat(needed).isGreaterThan(8);
    for (int failing = 1; failing <= needed; failing++) {
      world.allocations = 0;
      world.failing = failing;
      assertThatThrownBy(() -> world.p2m.convert(settings))
          .isInstanceOf(BackendUnavailableException.class)
          .hasMessageContaining("pool");
      assertThat(world.pool.used()).isEqualTo(used);
      assertThat(world.audit()).isEmpty();
    }
  }

  @Test
  void rightsThatOnlyExtendedTablesHoldAreNotLost() {
    P2mWorld world = P2mWorld.small(P2mWorld.small(P2mFormat.EPT));
    world.p2m.set(9, 9, 0, P2mType.RAM_RW, P2mAccess.RX);
    assertThatThrownBy(() -> world.p2m.convert(P2mWorld.small(P2mFormat.X86)))
        .isInstanceOf(BackendUnavailableException.class)
        .hasMessageContaining("guest frame 0x9 is mfn 0x9 RAM_RW RX order 0, which X86 tables");
    assertThat(world.audit()).isEmpty();
  }

  @Test
  void anotherShapeIsAConversionToo() {
    P2mWorld world = everything(P2mFormat.EPT);
    PagingFormat five = PagingFormat.FIVE_LEVEL.withIndexBits(2);
    DomainP2m wide = world.p2m.convert(world.p2m.settings().withShape(five));
    assertThat(wide.levels()).isEqualTo(5);
    assertSame(world.p2m, wide);
    assertThat(wide.add(700, 188, 0, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThatThrownBy(() -> wide.convert(world.p2m.settings())).hasMessageContaining("beyond");
    P2mSettings small =
        new P2mSettings(P2mFormat.X86, PagingFormat.FOUR_LEVEL.withIndexBits(2), 0, true, true);
    DomainP2m split = world.p2m.convert(small);
    assertSame(world.p2m, split);
    assertThat(P2mEntry.size(split.get(0))).isZero();
  }

  /** XSA-410: the end of a domain is done in pieces, and leaves nothing. */
  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void theEndIsPreemptedAndLeavesNothing(P2mFormat format) {
    P2mWorld world = everything(format);
    long tables = world.p2m.tableFrames();
    int calls = 1;
    while (world.p2m.close(2) == Errno.ERESTART) {
      calls++;
    }
    assertThat(calls).isBetween((int) tables / 2, (int) tables);
    assertThat(world.pool.used()).isZero();
    assertThat(world.m2p.references(300)).isZero();
    assertThat(world.m2p.gfn(3)).isEqualTo(MachineToPhysical.NOT_MAPPED);
    calls = 0;
    while (world.pool.close(40) == Errno.ERESTART) {
      calls++;
    }
    assertThat(calls).isEqualTo(3);
    assertThat(world.pool.total()).isZero();
    assertThat(world.m2p.tables(P2mWorld.OURS)).isZero();
    assertThat(world.pool.audit()).isEmpty();
  }
}
