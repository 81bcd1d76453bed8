// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.Mockito.doAnswer;
import static org.mockito.Mockito.doThrow;
import static org.mockito.Mockito.when;

import dev.quire.api.guest.InputException;
import dev.quire.api.paging.BackendUnavailableException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BackendSwapsTest {
  private final PaperGuest guest = new PaperGuest();
  private final Random random = new Random(1);

  private BackendSwaps swaps(List<String> able, String... among) {
    when(guest.toolstack.backends(any())).thenReturn(able);
    Balloon balloon = new Balloon(guest.memory, guest.findings);
    return new BackendSwaps(guest.memory, balloon, guest.toolstack, List.of(among), guest.findings);
  }

  private void swapsWork() {
    doAnswer(
            it -> {
              when(guest.domain.backend()).thenReturn(it.getArgument(1));
              return null;
            })
        .when(guest.toolstack)
        .swap(any(), any());
  }

  @Test
  void eachSwapGoesToAnotherBackendAndIsCountedByPair() {
    swapsWork();
    BackendSwaps swaps = swaps(List.of("one", "two", "three"));
    for (int i = 0; i < 300; i++) {
      assertThat(swaps.isPossible()).isTrue();
      swaps.happen(random);
    }
    assertThat(guest.found).isEmpty();
    assertThat(swaps.byPair().values().stream().mapToLong(it -> it).sum()).isEqualTo(300);
    assertThat(swaps.byPair()).hasSize(6).containsKey("three to one");
  }

  @Test
  void swapThatChangesNothingIsFound() {
    swaps(List.of("one", "two")).happen(random);
    assertThat(guest.found).containsExactly("swapped one to two, but the backend is one");
  }

  @Test
  void refusedSwapIsCountedAndNoFinding() {
    BackendSwaps swaps = swaps(List.of("one", "two"));
    doThrow(new BackendUnavailableException("no")).when(guest.toolstack).swap(any(), any());
    assertThat(swaps.happen(random)).isEqualTo("could not swap one to two: no");
    assertThat(guest.found).isEmpty();
    assertThat(guest.findings.refused()).isEqualTo(1);
    assertThat(swaps.byPair()).isEmpty();
  }

  @Test
  void onlyTheNamedBackendsAreUsed() {
    swapsWork();
    BackendSwaps swaps = swaps(List.of("one", "two", "three"), "one", "three");
    swaps.happen(random);
    swaps.happen(random);
    assertThat(swaps.byPair()).containsOnlyKeys("one to three", "three to one");
  }

  @Test
  void unknownNameIsRefusedWithThoseThatThereAre() {
    assertThatThrownBy(() -> swaps(List.of("one", "two"), "one", "four"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("\"four\"")
        .hasMessageContaining("[one, two]");
  }

  @Test
  void aloneThereIsNothingToSwapTo() {
    assertThat(swaps(List.of("one")).isPossible()).isFalse();
  }
}
