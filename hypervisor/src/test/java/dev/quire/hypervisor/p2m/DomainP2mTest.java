// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What every p2m does, in tables of real width. */
class DomainP2mTest {
  private static P2mWorld world(P2mFormat format) {
    return new P2mWorld(P2mSettings.of(format, 9), 4096, 64);
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void whatIsNotMappedIsADevice(P2mFormat format) {
    P2mWorld world = world(format);
    long entry = world.p2m.get(0x12345);
    assertThat(P2mEntry.type(entry)).isEqualTo(P2mType.MMIO_DM);
    assertThat(P2mEntry.hasFrame(entry)).isFalse();
    assertThat(P2mEntry.order(entry)).isEqualTo(27);
    assertThat(P2mEntry.access(entry))
        .isEqualTo(format == P2mFormat.EPT ? P2mAccess.N : P2mAccess.RWX);
    assertThat(P2mEntry.type(world.p2m.get(1L << 36))).isEqualTo(P2mType.MMIO_DM);
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void framesAreMappedAndTheM2pFollows(P2mFormat format) {
    P2mWorld world = world(format);
    assertThat(world.p2m.add(7, 100, 0, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.describe(world.p2m.get(7))).isEqualTo("mfn 0x64 RAM_RW RWX order 0");
    assertThat(world.m2p.gfn(100)).isEqualTo(7);
    assertThat(world.dirty).containsExactly(7L);
    assertThat(world.p2m.end()).isEqualTo(8);
    assertThat(world.flushes).isZero();
    assertThat(world.p2m.remove(7, 101, 0)).isEqualTo(Errno.EILSEQ);
    assertThat(world.p2m.remove(7, 100, 0)).isEqualTo(Errno.OK);
    assertThat(world.flushes).isEqualTo(1);
    assertThat(world.m2p.gfn(100)).isEqualTo(MachineToPhysical.NOT_MAPPED);
    assertThat(P2mEntry.type(world.p2m.get(7))).isEqualTo(P2mType.MMIO_DM);
    assertThat(world.p2m.remove(7, 100, 0)).isEqualTo(Errno.EILSEQ);
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void superpagesAreUsedWhereAlignmentAllowsAndSplitWhereTheyMustBe(P2mFormat format) {
    P2mWorld world = world(format);
    assertThat(world.p2m.add(1024, 512, 10, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.describe(world.p2m.get(1537))).isEqualTo("mfn 0x401 RAM_RW RWX order 9");
    assertThat(world.p2m.tableFrames()).isEqualTo(3);
    assertThat(world.p2m.remove(1030, 518, 0)).isEqualTo(Errno.OK);
    assertThat(world.p2m.tableFrames()).isEqualTo(4);
    assertThat(P2mEntry.describe(world.p2m.get(1031))).isEqualTo("mfn 0x207 RAM_RW RWX order 0");
    assertThat(P2mEntry.hasFrame(world.p2m.get(1030))).isFalse();
    assertThat(world.p2m.frames(P2mType.RAM_RW)).isEqualTo(1023);
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void globalChangesAreSeenAtOnceAndWrittenWhenMet(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(512, 512, 9, P2mType.RAM_RW);
    world.p2m.add(3, 3, 0, P2mType.RAM_RW);
    world.p2m.add(4, 4, 0, P2mType.RAM_RO);
    assertThat(world.p2m.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY))
        .isEqualTo(Errno.OK);
    assertThat(world.flushes).isEqualTo(1);
    assertThat(P2mEntry.type(world.p2m.get(3))).isEqualTo(P2mType.RAM_LOGDIRTY);
    assertThat(P2mEntry.type(world.p2m.get(4))).isEqualTo(P2mType.RAM_RO);
    assertThat(world.p2m.frames(P2mType.RAM_LOGDIRTY)).isZero();
    assertThat(world.p2m.recalculate(3)).isEqualTo(Errno.OK);
    assertThat(world.p2m.recalculate(3)).isEqualTo(Errno.ENOENT);
    assertThat(world.p2m.recalculate(600)).isEqualTo(Errno.OK);
    assertThat(world.p2m.frames(P2mType.RAM_LOGDIRTY)).isEqualTo(513);
    assertThat(world.p2m.changeType(3, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY))
        .isEqualTo(Errno.EBUSY);
    assertThat(world.p2m.changeType(600, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.describe(world.p2m.get(600))).isEqualTo("mfn 0x258 RAM_RW RWX order 0");
    assertThat(P2mEntry.type(world.p2m.get(601))).isEqualTo(P2mType.RAM_LOGDIRTY);
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void framesThatTheGuestMayNotHaveAreRefused(P2mFormat format) {
    P2mWorld world = world(format);
    assertThat(world.p2m.add(0, world.theirs(), 0, P2mType.RAM_RW)).isEqualTo(Errno.EPERM);
    long table = world.p2m.root() >>> 12;
    assertThat(world.p2m.add(0, table, 0, P2mType.RAM_RW)).isEqualTo(Errno.EPERM);
    assertThat(world.p2m.set(0, 3, 0, P2mType.MMIO_DIRECT, P2mAccess.RWX)).isEqualTo(Errno.EPERM);
  }
}
