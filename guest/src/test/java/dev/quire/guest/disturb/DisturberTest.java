// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.Mockito.when;

import dev.quire.api.address.Addresses;
import dev.quire.api.guest.InputException;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class DisturberTest {
  private static final int BLOCK = 1000;

  private final PaperGuest guest = new PaperGuest();
  private final OperationBlock block = new OperationBlock(BLOCK);
  private final long[] reach = new long[BLOCK];
  private final List<Integer> safePoints = new ArrayList<>();

  @BeforeEach
  void aBlockOfReads() {
    when(guest.toolstack.backends(any())).thenReturn(List.of("one"));
    for (int i = 0; i < BLOCK; i++) {
      block.probe(Access.of(0, false, false), Addresses.gva(i));
      reach[i] = i % PaperGuest.FRAMES * 4096L;
    }
  }

  private Disturber disturber(DisturbPlan plan) {
    return new Disturber(plan, guest.domain, guest.toolstack, guest.found::add);
  }

  private static DisturbPlan every(long operations, long seed) {
    return new DisturbPlan(seed, operations, 0, 0, List.of());
  }

  private Map<String, Object> run(Disturber disturber, int blocks) {
    for (int i = 0; i < blocks; i++) {
      int done = 0;
      while (done < BLOCK) {
        int end = disturber.before(reach, done, BLOCK);
        assertThat(end).isBetween(done + 1, BLOCK);
        assertAllThere(done, end);
        disturber.after(block, reach, done, end);
        safePoints.add(end - done);
        done = end;
      }
    }
    return disturber.facts();
  }

  private void assertAllThere(int from, int to) {
    for (int i = from; i < to; i++) {
      assertThat(guest.map).containsKey(reach[i] >>> 12);
    }
  }

  @Test
  void everyKindHappensAndFramesAreThereWhenTheyAreUsed() {
    Map<String, Object> facts = run(disturber(every(10, 7)), 20);
    assertThat((Long) facts.get("disturbances")).isBetween(1600L, 2400L);
    assertThat(facts.get("audits")).isEqualTo(facts.get("disturbances"));
    facts.forEach(
        (name, count) -> {
          if (!name.contains("swap")
              && !name.contains("refused")
              && !name.contains("frames that")
              && !name.contains("forgot")) {
            assertThat((Long) count).as(name).isPositive();
          }
        });
    assertThat(guest.found).isEmpty();
  }

  @Test
  void sameSeedDoesTheSameAndAnotherSomethingElse() {
    List<Integer> first = points(every(100, 1));
    assertThat(points(every(100, 1))).isEqualTo(first);
    assertThat(points(every(100, 2))).isNotEqualTo(first);
  }

  private List<Integer> points(DisturbPlan plan) {
    safePoints.clear();
    run(disturber(plan), 10);
    return List.copyOf(safePoints);
  }

  @Test
  void auditsThatFailAreFoundWithWhatWasDone() {
    when(guest.paging.audit()).thenReturn(List.of("a frame is lost"));
    run(disturber(every(100, 1)), 5);
    assertThat(guest.found).isNotEmpty().allMatch(it -> it.contains("a frame is lost"));
    assertThat(guest.found).anyMatch(it -> it.contains("ballooned") || it.contains("gfn"));
  }

  @Test
  void auditsAreMadeOfAGuestThatIsLeftAlone() {
    Map<String, Object> facts = run(disturber(new DisturbPlan(1, 0, 0, 300, List.of())), 3);
    assertThat(facts).containsEntry("audits", 10L).containsEntry("disturbances", 0L);
    assertThat(guest.found).isEmpty();
    when(guest.paging.audit()).thenReturn(List.of("a frame is lost"));
    run(disturber(new DisturbPlan(1, 0, 0, 300, List.of())), 3);
    assertThat(guest.found).hasSize(10).allMatch(it -> it.contains("a frame is lost"));
  }

  @Test
  void deviceWritesBelongToTheDirtyLog() {
    Disturber disturber = disturber(every(5, 1));
    for (int i = 0; i < 8; i++) {
      disturber.deviceWrites(Addresses.gfn(9));
      run(disturber, 1);
    }
    assertThat(guest.found).isNotEmpty().allMatch(it -> it.contains("gfn 0x9 was written"));
  }

  @Test
  void swapsNeedTwoBackends() {
    assertThatThrownBy(() -> disturber(new DisturbPlan(1, 0, 100, 0, List.of())))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("two backends");
  }
}
