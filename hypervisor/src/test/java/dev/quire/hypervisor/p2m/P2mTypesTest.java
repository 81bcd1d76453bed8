// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.x86.PageEntry;
import java.util.HashSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What hardware may do to a frame of each type, in each format: one row for each type. */
class P2mTypesTest {
  private static final long D = 1 << 9;

  private static P2mWorld world(P2mFormat format) {
    return P2mWorld.small(P2mWorld.small(format));
  }

  private static String rights(P2mWorld world, long gfn) {
    long view = HardwareView.of(world, world.p2m, gfn, new HashSet<>());
    return ((view & 1) != 0 ? "r" : "-")
        + ((view & 2) != 0 ? "w" : "-")
        + ((view & 4) != 0 ? "x" : "-");
  }

  private static long entry(P2mWorld world, long gfn) {
    long table = world.p2m.root() >>> 12;
    for (int level = 4; level > 1; level--) {
      long at = table << 12 | (gfn >>> 2 * (level - 1) & 3) << 3;
      long entry = world.machine.memory().load(at, 8);
      if ((entry & 0x80) != 0) {
        return entry;
      }
      table = (entry & PageEntry.FRAME) >>> 12;
    }
    return world.machine.memory().load(table << 12 | (gfn & 3) << 3, 8);
  }

  @ParameterizedTest
  @CsvSource({
    "RAM_RW, 5, rwx",
    "RAM_LOGDIRTY, 5, r-x",
    "RAM_RO, 5, r-x",
    "RAM_SHARED, 5, r-x",
    "RAM_BROKEN, 5, ---",
    "MMIO_DIRECT, 1048576, rwx",
    "POPULATE_ON_DEMAND, -1, ---",
    "GRANT_MAP_RW, 300, rw-",
    "GRANT_MAP_RO, 300, r--",
    "RAM_PAGING_OUT, 5, ---",
    "RAM_PAGED, -1, ---",
    "RAM_PAGING_IN, -1, ---",
    "MAP_FOREIGN, 300, rw-",
    "IOREQ_SERVER, 5, r--",
    "MMIO_DM, -1, ---",
    "INVALID, -1, ---",
  })
  void hardwareMayDoWhatTheTypePermits(P2mType type, long mfn, String rights) {
    for (P2mFormat format : P2mFormat.values()) {
      P2mWorld world = world(format);
      world.p2m.ioreqServer(true);
      assertThat(world.p2m.set(9, mfn, 0, type, P2mAccess.RWX))
          .as("%s", format)
          .isEqualTo(Errno.OK);
      assertThat(rights(world, 9)).as("%s", format).isEqualTo(rights);
      boolean stored = mfn != -1 || type.is(P2mType.Group.NO_FRAME);
      assertThat(P2mEntry.type(world.p2m.get(9))).isEqualTo(stored ? type : P2mType.MMIO_DM);
      assertThat(P2mEntry.mfnOrNone(world.p2m.get(9))).isEqualTo(mfn);
      assertThat(entry(world, 9) == 0).isEqualTo(!stored);
      assertThat(world.audit()).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void devicesOfAReadOnlyRangeAreNotWritten(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.readOnlyDevice(P2mWorld.DEVICE + 2, 1);
    assertThat(world.p2m.setSpecial(4, P2mWorld.DEVICE, 2, P2mType.MMIO_DIRECT, P2mAccess.RWX))
        .isEqualTo(Errno.OK);
    world.p2m.shatter(4);
    world.p2m.recalculate(4);
    assertThat(rights(world, 5)).isEqualTo("rwx");
    assertThat(rights(world, 6)).isEqualTo("r-x");
    if (format == P2mFormat.X86) { // UC-, and UC where read-only
      assertThat(entry(world, 5) & (PageEntry.PCD | PageEntry.PWT)).isEqualTo(PageEntry.PCD);
      assertThat(entry(world, 6) & PageEntry.PWT).isNotZero();
    } else { // UC that the guest's PAT may weaken, and UC
      assertThat(entry(world, 5) & 0x78).isZero();
      assertThat(entry(world, 6) & 0x78).isEqualTo(0x40);
    }
  }

  @Test
  void aMappingAcrossTheEndOfAReadOnlyRangeTrapsAndIsSplitThen() {
    P2mWorld world = world(P2mFormat.EPT);
    world.p2m.readOnlyDevice(P2mWorld.DEVICE + 2, 1);
    world.p2m.setSpecial(4, P2mWorld.DEVICE, 2, P2mType.MMIO_DIRECT, P2mAccess.RWX);
    assertThat(rights(world, 5)).isEqualTo("---");
    assertThat(P2mEntry.size(world.p2m.get(5))).isEqualTo(1);
    assertThat(world.p2m.recalculate(5)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.size(world.p2m.get(5))).isZero();
    assertThat(rights(world, 5)).isEqualTo("rwx");
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void writesGoToTheIoreqServerOnlyWhileThereIsOne(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(9, 5, 0, P2mType.RAM_RW);
    assertThat(world.p2m.ioreqServer(true)).isEqualTo(Errno.OK);
    assertThat(world.p2m.ioreqServer(true)).isEqualTo(Errno.EBUSY);
    assertThat(world.p2m.changeType(9, P2mType.RAM_RW, P2mType.IOREQ_SERVER)).isEqualTo(Errno.OK);
    assertThat(rights(world, 9)).isEqualTo("r--");
    assertThat(world.p2m.ioreqServer(false)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.type(world.p2m.get(9))).isEqualTo(P2mType.RAM_RW);
    assertThat(world.p2m.ioreqServer(true)).isEqualTo(Errno.EBUSY); // an old entry is left
    assertThat(world.p2m.recalculate(9)).isEqualTo(Errno.OK);
    assertThat(rights(world, 9)).isEqualTo("rwx");
    assertThat(world.p2m.ioreqServer(true)).isEqualTo(Errno.OK);
  }

  @Test
  void hardwareThatLogsWritesSmallPagesWithDClearAndNoSuperpages() {
    P2mWorld world = world(P2mFormat.EPT);
    world.p2m.add(0, 0, 3, P2mType.RAM_RW);
    world.p2m.add(8, 8, 0, P2mType.RAM_RW);
    assertThat(entry(world, 8) & D).isNotZero();
    world.p2m.hardwareLogs(true);
    world.p2m.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
    assertThat(rights(world, 8)).isEqualTo("---");
    world.p2m.recalculate(0);
    world.p2m.recalculate(8);
    assertThat(rights(world, 0)).isEqualTo("r-x");
    assertThat(rights(world, 8)).isEqualTo("rwx");
    assertThat(entry(world, 8) & D).isZero();
    assertThat(world.p2m.changeType(0, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(rights(world, 0)).isEqualTo("rwx");
    assertThat(rights(world, 1)).as("a part of a logged superpage").isEqualTo("rwx");
    assertThat(entry(world, 0) & D).isNotZero();
    assertThat(entry(world, 1) & D).isZero();
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mAccess.class)
  void extendedTablesGrantWhatBothTypeAndAccessPermit(P2mAccess access) {
    P2mWorld world = world(P2mFormat.EPT);
    Errno set = world.p2m.set(9, 5, 0, P2mType.RAM_RW, access);
    boolean misconfiguration = access.isWritable() && !access.isReadable();
    assertThat(set).isEqualTo(misconfiguration ? Errno.EOPNOTSUPP : Errno.OK);
    if (!misconfiguration) {
      assertThat(P2mEntry.access(world.p2m.get(9))).isEqualTo(access);
      assertThat(rights(world, 9))
          .isEqualTo(
              (access.isReadable() ? "r" : "-")
                  + (access.isWritable() ? "w" : "-")
                  + (access.isExecutable() ? "x" : "-"));
      assertThat(world.audit()).isEmpty();
    }
  }

  @Test
  void tablesWithoutAccessRefuseItRatherThanGrantMore() {
    P2mWorld world = world(P2mFormat.X86);
    assertThat(world.p2m.set(9, 5, 0, P2mType.RAM_RW, P2mAccess.R)).isEqualTo(Errno.EOPNOTSUPP);
    world.p2m.add(9, 5, 0, P2mType.RAM_RW);
    assertThat(world.p2m.suppressVe(9, false)).isEqualTo(Errno.EOPNOTSUPP);
    assertThat(world.p2m.suppressVe(9, true)).isEqualTo(Errno.OK);
  }

  @Test
  void executeOnlyNeedsAMachineThatCan() {
    P2mSettings with = P2mWorld.small(P2mFormat.EPT);
    P2mSettings without =
        new P2mSettings(P2mFormat.EPT, with.shape(), with.largestSize(), true, false);
    assertThat(P2mWorld.small(with).p2m.set(9, 5, 0, P2mType.RAM_RW, P2mAccess.X))
        .isEqualTo(Errno.OK);
    assertThat(P2mWorld.small(without).p2m.set(9, 5, 0, P2mType.RAM_RW, P2mAccess.X))
        .isEqualTo(Errno.EOPNOTSUPP);
  }

  @Test
  void veIsSuppressedUntilSomebodyWantsItAndChangesOfTheFrameKeepIt() {
    P2mWorld world = world(P2mFormat.EPT);
    assertThat(world.p2m.suppressVe(9, false)).isEqualTo(Errno.ESRCH);
    world.p2m.add(8, 8, 2, P2mType.RAM_RW);
    assertThat(P2mEntry.suppressesVe(world.p2m.get(9))).isTrue();
    assertThat(world.p2m.suppressVe(9, false)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.suppressesVe(world.p2m.get(9))).isFalse();
    assertThat(P2mEntry.suppressesVe(world.p2m.get(8))).isTrue();
    assertThat(entry(world, 9)).isPositive();
    world.p2m.set(9, 9, 0, P2mType.RAM_RO, P2mAccess.R);
    assertThat(P2mEntry.suppressesVe(world.p2m.get(9))).isFalse();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void groupsAreKeptApart(P2mFormat format) {
    assertThat(P2mType.RAM_PAGED.is(P2mType.Group.RAM)).isTrue();
    assertThat(P2mType.RAM_PAGED.is(P2mType.Group.HOLE)).isTrue();
    assertThat(P2mType.RAM_PAGING_OUT.is(P2mType.Group.HOLE)).isFalse();
    assertThat(P2mType.MAP_FOREIGN.is(P2mType.Group.RAM)).isFalse();
    assertThat(P2mType.MAP_FOREIGN.isAnyRam()).isTrue();
    assertThat(P2mType.GRANT_MAP_RO.isAnyRam()).isTrue();
    assertThat(P2mType.MMIO_DIRECT.isAnyRam()).isFalse();
    assertThat(P2mType.POPULATE_ON_DEMAND.is(P2mType.Group.HOLE)).isFalse();
    assertThat(P2mType.values()).hasSize(16);
    assertThat(P2mType.at(15)).isEqualTo(P2mType.IOREQ_SERVER);
  }
}
