// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.logdirty;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.hw.memory.SparseMemory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The log by itself: bits, rounds, preemption, memory that is short. */
class DirtyLogTest {
  private static final int PAGE = 1 << 15;

  private final PhysicalMemory memory = new SparseMemory(List.of(new Ram(0, 1 << 24)));
  private final CountingPool pool = new CountingPool();
  private final RecordingBackend backend = new RecordingBackend();
  private boolean preempting;
  private DirtyLog log = log();

  private DirtyLog log() {
    return new DirtyLog(pool, memory, () -> backend, () -> null, () -> preempting);
  }

  @Test
  void nothingIsLoggedWhileItIsOff() {
    log.mark(3);
    assertThat(log.isEnabled()).isFalse();
    assertThat(pool.used).isZero();
    long[] bitmap = {-1};
    assertThat(log.peek(bitmap, 64)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(0);
  }

  @Test
  void whatIsMarkedIsReadOnceAndPeekedAtAnyNumberOfTimes() {
    assertThat(log.enable()).isEqualTo(Errno.OK);
    log.mark(3);
    log.mark(3);
    log.faulted(70);
    long[] bitmap = new long[2];
    assertThat(log.peek(bitmap, 128)).isEqualTo(Errno.OK);
    assertThat(log.peek(bitmap, 128)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(1 << 3, 1 << 6);
    assertThat(log.dirtied()).isEqualTo(2);
    assertThat(log.faults()).isEqualTo(1);
    assertThat(log.clean(bitmap, 128)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(1 << 3, 1 << 6);
    assertThat(log.dirtied()).isZero();
    assertThat(log.faults()).isZero();
    assertThat(log.clean(bitmap, 128)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(0, 0);
    assertThat(backend.calls)
        .containsExactly("enable", "drain", "drain", "drain", "clean", "drain", "clean");
  }

  @Test
  void hardwareIsAskedBeforeBitsAreClearedAndArmedAfterwards() {
    log.enable();
    backend.pending.add(9L);
    backend.log = log;
    long[] bitmap = new long[1];
    assertThat(log.clean(bitmap, 64)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(1 << 9);
  }

  @Test
  void aCleanWithoutABitmapBeginsANewRound() {
    log.enable();
    log.mark(5);
    assertThat(log.clean(null, 64)).isEqualTo(Errno.OK);
    long[] bitmap = new long[1];
    log.peek(bitmap, 64);
    assertThat(bitmap).containsExactly(0);
  }

  @Test
  void bitsBeyondWhatIsAskedForAreZeroAndStay() {
    log.enable();
    log.mark(9);
    log.mark(10);
    long[] bitmap = {-1, -1};
    assertThat(log.peek(bitmap, 10)).isEqualTo(Errno.OK);
    assertThat(bitmap).containsExactly(1 << 9, -1);
    assertThat(log.peek(bitmap, 129)).isEqualTo(Errno.EFAULT);
    assertThat(log.peek(bitmap, -1)).isEqualTo(Errno.EINVAL);
  }

  @Test
  void itIsSwitchedOnOnce() {
    assertThat(log.enable()).isEqualTo(Errno.OK);
    assertThat(log.enable()).isEqualTo(Errno.EINVAL);
    log.mark(1L << 40);
    assertThat(log.tableFrames()).isEqualTo(4);
    assertThat(log.disable()).isEqualTo(Errno.OK);
    assertThat(pool.used).isZero();
    assertThat(log.disable()).isEqualTo(Errno.OK);
    assertThat(log.enable()).isEqualTo(Errno.OK);
  }

  @Test
  void aBackendThatCannotLeavesItOff() {
    backend.answer = Errno.EOPNOTSUPP;
    assertThat(log.enable()).isEqualTo(Errno.EOPNOTSUPP);
    log.mark(1);
    assertThat(log.isEnabled()).isFalse();
    assertThat(pool.used).isZero();
  }

  /** XSA-77, XSA-97: an operation over many pages stops between any two and goes on. */
  @Test
  void readingIsPreemptedBetweenPagesAndGoesOn() {
    log.enable();
    for (int page = 0; page < 5; page++) {
      log.mark((long) page * PAGE + page);
    }
    preempting = true;
    long[] bitmap = new long[5 * PAGE / 64];
    for (int page = 0; page < 4; page++) {
      assertThat(log.clean(bitmap, 5 * PAGE)).isEqualTo(Errno.ERESTART);
      assertThat(log.peek(bitmap, 5 * PAGE)).isEqualTo(Errno.EBUSY);
      assertThat(log.enable()).isEqualTo(Errno.EBUSY);
      assertThat(log.disable()).isEqualTo(Errno.EBUSY);
      assertThat(log.trackRange(0, 1, new long[1])).isNotEqualTo(Errno.OK);
    }
    assertThat(log.clean(bitmap, 5 * PAGE)).isEqualTo(Errno.OK);
    for (int page = 0; page < 5; page++) {
      assertThat(bitmap[page * (PAGE / 64)]).isEqualTo(1L << page);
    }
    assertThat(backend.calls).containsExactly("enable", "drain", "clean");
    assertThat(log.audit()).isEmpty();
  }

  @Test
  void freeingIsPreemptedAtEachPageAndGoesOn() {
    log.enable();
    for (int page = 0; page < 5; page++) {
      log.mark((long) page * PAGE);
    }
    long before = pool.used;
    preempting = true;
    int restarts = 0;
    while (log.disable() == Errno.ERESTART) {
      restarts++;
      assertThat(pool.used).isEqualTo(before - restarts);
      assertThat(log.peek(new long[1], 1)).isEqualTo(Errno.EBUSY);
    }
    assertThat(restarts).isEqualTo(7);
    assertThat(pool.used).isZero();
    assertThat(backend.calls).containsExactly("enable", "disable");
    assertThat(log.audit()).isEmpty();
  }

  @Test
  void bitsThatAreLostForWantOfMemoryAreReported() {
    for (int limit = 0; limit < 8; limit++) {
      pool.limit = limit;
      log = log();
      log.enable();
      log.mark(0);
      log.mark(PAGE);
      long[] bitmap = new long[2 * PAGE / 64];
      Errno expected = limit >= 5 ? Errno.OK : Errno.ENOMEM;
      assertThat(log.peek(bitmap, 2 * PAGE)).isEqualTo(expected);
      assertThat(log.clean(bitmap, 2 * PAGE)).isEqualTo(expected);
      assertThat(log.audit()).isEmpty();
      assertThat(log.disable()).isEqualTo(Errno.OK);
      assertThat(log.enable()).isEqualTo(Errno.OK);
      assertThat(log.peek(bitmap, 2 * PAGE)).isEqualTo(Errno.OK);
      log.disable();
      assertThat(pool.used).isZero();
    }
  }

  @Test
  void itAgreesWithABitSetOverAnySequence() {
    Random random = new Random(11);
    BitSet model = new BitSet();
    log.enable();
    int frames = 3 * PAGE;
    long[] bitmap = new long[frames / 64];
    for (int i = 0; i < 3000; i++) {
      switch (random.nextInt(8)) {
        case 0 -> {
          int limit = 1 + random.nextInt(frames);
          Arrays.fill(bitmap, 0);
          assertThat(log.peek(bitmap, limit)).isEqualTo(Errno.OK);
          assertThat(BitSet.valueOf(bitmap)).isEqualTo(model.get(0, limit));
        }
        case 1 -> {
          preempting = random.nextBoolean();
          Errno done;
          do {
            done = log.clean(bitmap, frames);
          } while (done == Errno.ERESTART);
          preempting = false;
          assertThat(BitSet.valueOf(bitmap)).isEqualTo(model);
          model.clear();
        }
        default -> {
          int gfn = random.nextInt(frames);
          log.mark(gfn);
          model.set(gfn);
        }
      }
      assertThat(log.dirtied()).isEqualTo(model.cardinality());
    }
    assertThat(log.audit()).isEmpty();
  }

  /** Frames from 0 on, as many as the limit. */
  private final class CountingPool implements PagingPool {
    private final List<Long> spare = new ArrayList<>();
    private int limit = 100;
    private long fresh;
    private long used;

    @Override
    public long allocate() {
      if (used == limit) {
        return NONE;
      }
      used++;
      long mfn = spare.isEmpty() ? fresh++ : spare.remove(spare.size() - 1);
      Arrays.fill(memory.frame(mfn), 0);
      return mfn;
    }

    @Override
    public void free(long mfn) {
      spare.add(mfn);
      used--;
    }

    @Override
    public long used() {
      return used;
    }

    @Override
    public long total() {
      return limit;
    }

    @Override
    public Errno resize(long frames) {
      return Errno.EINVAL;
    }
  }
}
