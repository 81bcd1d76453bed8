// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A lookup is on the road of every exit and of every replayed access: it allocates nothing. */
class P2mLookupCostTest {
  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void lookingUpAllocatesNothing(P2mFormat format) {
    P2mWorld world = new P2mWorld(P2mSettings.of(format, 9), 4096, 64);
    world.p2m.add(0, 0, 11, P2mType.RAM_RW);
    for (int gfn = 2048; gfn < 4096; gfn++) {
      world.p2m.add(gfn, gfn, 0, P2mType.RAM_RW);
    }
    world.p2m.changeTypeRange(1000, 2000, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long sum = lookUp(world, 200_000); // compiled by then
    long before = threads.getCurrentThreadAllocatedBytes();
    long start = threads.getCurrentThreadCpuTime();
    sum += lookUp(world, 1_000_000);
    long nanos = threads.getCurrentThreadCpuTime() - start;
    long bytes = threads.getCurrentThreadAllocatedBytes() - before;
    System.out.printf("p2m %s: %d ns a lookup, %d bytes%n", format, nanos / 1_000_000, bytes);
    assertThat(bytes).isLessThan(1000);
    assertThat(sum).isNotZero();
  }

  private static long lookUp(P2mWorld world, int times) {
    long sum = 0;
    for (int i = 0; i < times; i++) {
      sum += world.p2m.get(i * 7919 & 4095);
    }
    return sum;
  }
}
