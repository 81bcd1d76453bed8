// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.Mockito.when;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.paging.PagingDomain;
import dev.quire.hypervisor.logdirty.DirtyLog;
import java.util.BitSet;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.mockito.Mockito;

/**
 * The dirty log over a p2m, with a guest that writes as far as hardware lets it: no write between
 * two rounds is missing. Hardware caches what it may, so a missing flush is a missing bit.
 */
class P2mLogDirtyTest {
  private static final int FRAMES = 64;
  private static final long D = 1 << 9;

  private final PagingDomain backend = Mockito.mock(PagingDomain.class);
  private final Set<Long> hardwareLog = new HashSet<>();
  private final BitSet writable = new BitSet();
  private P2mWorld world;
  private DirtyLog log;

  private void begin(P2mFormat format, boolean hardwareLogs) {
    world = P2mWorld.small(P2mWorld.small(format));
    world.p2m.add(0, 0, 4, P2mType.RAM_RW);
    for (int gfn = 16; gfn < FRAMES; gfn++) {
      world.p2m.add(gfn, gfn ^ 1, 0, P2mType.RAM_RW);
    }
    world.onFlush = writable::clear;
    when(backend.enableLogDirty())
        .thenAnswer(
            call -> {
              world.p2m.hardwareLogs(hardwareLogs);
              return world.p2m.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
            });
    when(backend.cleanLogDirty())
        .thenAnswer(call -> world.p2m.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY));
    when(backend.disableLogDirty())
        .thenAnswer(
            call -> {
              world.p2m.hardwareLogs(false);
              return world.p2m.changeTypeGlobal(P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
            });
    Mockito.doAnswer(call -> drain()).when(backend).drainLogDirty();
    when(backend.trackRange(anyLong(), anyLong(), any())).thenCallRealMethod();
    log =
        new DirtyLog(
            world.pool, world.machine.memory(), () -> backend, () -> world.p2m, () -> false);
  }

  private Object drain() {
    for (long gfn : hardwareLog) {
      log.mark(gfn);
      world.p2m.changeType(gfn, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
    }
    hardwareLog.clear();
    return null;
  }

  /** A store: through the TLB, or by walks and exits until it is done. */
  private void write(int gfn) {
    for (int exits = 0; !writable.get(gfn); exits++) {
      assertThat(exits).as("exits for one store to gfn %d", gfn).isLessThan(10);
      if ((HardwareView.of(world, world.p2m, gfn, new HashSet<>()) & HardwareView.W) != 0) {
        setDirty(gfn);
        writable.set(gfn);
      } else if (P2mEntry.type(world.p2m.get(gfn)) == P2mType.RAM_LOGDIRTY
          && world.p2m.recalculate(gfn) == Errno.ENOENT) {
        log.faulted(gfn);
        world.p2m.changeType(gfn, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
      } else {
        world.p2m.recalculate(gfn);
      }
    }
  }

  /** D goes from 0 to 1, which is logged. Only entries of a last table are left with D clear. */
  private void setDirty(int gfn) {
    long table = world.p2m.root() >>> 12;
    for (int level = 4; level > 0; level--) {
      long at = table << 12 | (gfn >>> 2 * (level - 1) & 3) << 3;
      long entry = world.machine.memory().load(at, 8);
      if (level == 1 && world.p2m.format() == P2mFormat.EPT && (entry & D) == 0) {
        world.machine.memory().store(at, 8, entry | D);
        hardwareLog.add((long) gfn);
      }
      if (level == 1 || (entry & 0x80) != 0) {
        return;
      }
      table = (entry & EntryCodec.FRAME) >>> 12;
    }
  }

  @ParameterizedTest
  @CsvSource({"X86, false", "EPT, false", "EPT, true"})
  void noWriteIsMissingFromTheNextRound(P2mFormat format, boolean hardwareLogs) {
    begin(format, hardwareLogs);
    Random random = new Random(5);
    write(3);
    assertThat(log.enable()).isEqualTo(Errno.OK);
    for (int round = 0; round < 40; round++) {
      BitSet written = new BitSet();
      for (int i = random.nextInt(20); i > 0; i--) {
        int gfn = random.nextInt(FRAMES);
        write(gfn);
        written.set(gfn);
      }
      if (random.nextInt(4) == 0) {
        world.p2m.shatter(random.nextInt(FRAMES));
        writable.clear(); // hardware may forget at any time
      }
      long[] bitmap = new long[1];
      assertThat(round % 3 == 0 ? log.peek(bitmap, FRAMES) : Errno.OK).isEqualTo(Errno.OK);
      assertThat(log.clean(bitmap, FRAMES)).isEqualTo(Errno.OK);
      assertThat(BitSet.valueOf(bitmap)).as("round %d", round).isEqualTo(written);
      assertThat(world.p2m.audit()).isEmpty();
      assertThat(log.audit()).isEmpty();
    }
    assertThat(log.disable()).isEqualTo(Errno.OK);
    assertThat(world.pool.used()).isEqualTo(world.p2m.tableFrames());
    write(7);
    assertThat(P2mEntry.type(world.p2m.get(7))).isEqualTo(P2mType.RAM_RW);
  }

  /** XSA-104, XSA-319, XSA-397: tracking a range is not the log, and does not switch it on. */
  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void aFrameBufferIsTrackedApartFromTheLog(P2mFormat format) {
    begin(format, false);
    long[] bitmap = new long[1];
    assertThat(log.trackRange(10, 20, bitmap)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly((1 << 20) - 1);
    write(12);
    write(29);
    write(40);
    assertThat(log.trackRange(10, 20, bitmap)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(1 << 2 | 1 << 19);
    assertThat(log.trackRange(10, 20, bitmap)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(0);
    assertThat(log.isEnabled()).isFalse();
    assertThat(log.enable()).isEqualTo(Errno.OK);
    write(13);
    assertThat(log.trackRange(10, 20, bitmap)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(1 << 3);
    assertThat(log.clean(bitmap, FRAMES)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(1 << 13);
    assertThat(log.disable()).isEqualTo(Errno.OK);
    write(14);
    assertThat(log.trackRange(10, 20, bitmap)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(1 << 4);
    assertThat(log.trackRange(0, 0, bitmap)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.type(world.p2m.get(20))).isEqualTo(P2mType.RAM_RW);
    assertThat(log.trackRange(10, 20, new long[0])).isEqualTo(Errno.EFAULT);
    assertThat(log.trackRange(10, -1, bitmap)).isEqualTo(Errno.EINVAL);
    assertThat(world.p2m.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void theLogRefusesADomainWithIoreqServerEntries(P2mFormat format) {
    begin(format, false);
    world.p2m.ioreqServer(true);
    world.p2m.changeType(20, P2mType.RAM_RW, P2mType.IOREQ_SERVER);
    assertThat(log.enable()).isEqualTo(Errno.EBUSY);
    world.p2m.changeType(20, P2mType.IOREQ_SERVER, P2mType.RAM_RW);
    assertThat(log.enable()).isEqualTo(Errno.OK);
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void framesThatAreMappedWhileItIsOnAreDirty(P2mFormat format) {
    begin(format, false);
    log.enable();
    world.dirty.clear();
    world.p2m.add(100, 100, 1, P2mType.RAM_RW);
    world.p2m.remove(16, 17, 0);
    assertThat(world.dirty).containsExactly(100L, 101L);
  }
}
