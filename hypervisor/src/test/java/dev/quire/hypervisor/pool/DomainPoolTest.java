// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.hw.memory.SparseMemory;
import dev.quire.hypervisor.p2m.FrameSource;
import dev.quire.hypervisor.p2m.MachineToPhysical;
import java.util.ArrayDeque;
import java.util.List;
import org.junit.jupiter.api.Test;

class DomainPoolTest {
  private final PhysicalMemory memory = new SparseMemory(List.of(new Ram(0, 64 << 12)));
  private final MachineToPhysical m2p = new MachineToPhysical(64);
  private final Machine machine = new Machine();
  private final DomainPool pool = new DomainPool(machine, memory, m2p, 7);

  @Test
  void itIsBounded() {
    assertThat(pool.allocate()).isEqualTo(PagingPool.NONE);
    assertThat(pool.resize(2)).isEqualTo(Errno.OK);
    long first = pool.allocate();
    long second = pool.allocate();
    assertThat(first).isNotEqualTo(second);
    assertThat(pool.allocate()).isEqualTo(PagingPool.NONE);
    assertThat(pool.used()).isEqualTo(2);
    pool.free(first);
    assertThat(pool.allocate()).isEqualTo(first);
    assertThat(pool.audit()).isEmpty();
  }

  @Test
  void framesComeZeroed() {
    pool.resize(1);
    long frame = pool.allocate();
    memory.store(frame << 12 | 8, 8, 5);
    pool.free(frame);
    assertThat(memory.load(pool.allocate() << 12 | 8, 8)).isZero();
  }

  @Test
  void itGrowsAndShrinksOrStaysAsItIs() {
    assertThat(pool.resize(10)).isEqualTo(Errno.OK);
    pool.allocate();
    pool.allocate();
    assertThat(pool.resize(1)).isEqualTo(Errno.EBUSY);
    assertThat(pool.resize(-1)).isEqualTo(Errno.EINVAL);
    assertThat(pool.total()).isEqualTo(10);
    assertThat(pool.resize(65)).isEqualTo(Errno.ENOMEM);
    assertThat(pool.total()).isEqualTo(10);
    assertThat(machine.free.size()).isEqualTo(54);
    assertThat(pool.resize(2)).isEqualTo(Errno.OK);
    assertThat(machine.free.size()).isEqualTo(62);
    assertThat(pool.audit()).isEmpty();
  }

  @Test
  void onlyItsOwnFramesComeBack() {
    pool.resize(1);
    m2p.give(50, 1, 7);
    assertThatThrownBy(() -> pool.free(50)).hasMessageContaining("0x32 is no table of domain 7");
  }

  /** Otherwise two tables would be made of one frame. */
  @Test
  void aFrameComesBackOnce() {
    pool.resize(2);
    long frame = pool.allocate();
    pool.free(frame);
    assertThatThrownBy(() -> pool.free(frame)).hasMessageContaining("that is in use");
    assertThat(pool.used()).isZero();
    assertThat(pool.audit()).isEmpty();
    assertThat(pool.allocate()).isNotEqualTo(pool.allocate());
  }

  @Test
  void whatADyingDomainFreesGoesToTheMachine() {
    pool.resize(100 - 40);
    long held = pool.allocate();
    assertThat(pool.close(50)).isEqualTo(Errno.ERESTART);
    assertThat(pool.close(50)).isEqualTo(Errno.OK);
    assertThat(pool.allocate()).isEqualTo(PagingPool.NONE);
    assertThat(pool.resize(5)).isEqualTo(Errno.EINVAL);
    pool.free(held);
    assertThat(machine.free.size()).isEqualTo(64);
    assertThat(m2p.tables(7)).isZero();
    assertThat(pool.total()).isZero();
  }

  @Test
  void anAuditFindsAFrameThatIsGone() {
    pool.resize(3);
    m2p.clearTable(1);
    assertThat(pool.audit()).hasSize(2);
  }

  /** All frames of the machine. */
  private static final class Machine implements FrameSource {
    private final ArrayDeque<Long> free = new ArrayDeque<>();

    Machine() {
      for (long i = 0; i < 64; i++) {
        free.add(i);
      }
    }

    @Override
    public long allocate(long count) {
      return free.isEmpty() ? FrameMapper.NONE : free.poll();
    }

    @Override
    public void release(long first, long count) {
      free.add(first);
    }
  }
}
