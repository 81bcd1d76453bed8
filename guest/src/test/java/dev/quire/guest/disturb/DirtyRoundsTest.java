// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.Mockito.doReturn;
import static org.mockito.Mockito.times;
import static org.mockito.Mockito.verify;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The dirty log and range tracking, asked and checked. */
class DirtyRoundsTest {
  private final PaperGuest guest = new PaperGuest();
  private final BitmapChecks checks = new BitmapChecks(guest.findings);
  private final TypeUse types = new TypeUse();
  private final LogDirtyRounds log =
      new LogDirtyRounds(guest.memory, guest.findings, checks, types);
  private final VramTracking vram = new VramTracking(guest.memory, guest.findings, types);
  private final Random random = new Random(1);

  /** Lets it do what it does until it has been in every state. */
  private static void often(Disturbance kind, Random random, Runnable between) {
    for (int i = 0; i < 100; i++) {
      kind.happen(random);
      between.run();
    }
  }

  @Test
  void writeThatTheLogLosesIsFound() {
    often(log, random, () -> log.wrote(Addresses.gfn(5)));
    assertThat(guest.found).isNotEmpty().allMatch(it -> it.contains("gfn 0x5 was written"));
    assertThat(guest.found).anyMatch(it -> it.startsWith("a clean"));
    assertThat(guest.found).anyMatch(it -> it.startsWith("a peek"));
    assertThat(checks.count()).isPositive();
    assertThat(checks.mustBeDirty()).isEqualTo(guest.found.size());
    assertThat(checks.dirty()).isZero();
  }

  @Test
  void logThatTellsEverythingIsRight() {
    fillBitmaps();
    often(log, random, () -> log.wrote(Addresses.gfn(5)));
    assertThat(guest.found).isEmpty();
    assertThat(checks.dirty()).isEqualTo(64 * checks.count());
    verify(guest.log, org.mockito.Mockito.atLeastOnce()).disable();
  }

  private void fillBitmaps() {
    org.mockito.stubbing.Answer<Errno> all =
        it -> {
          java.util.Arrays.fill((long[]) it.getArgument(it.getArguments().length - 2), -1);
          return Errno.OK;
        };
    org.mockito.Mockito.doAnswer(all).when(guest.log).clean(any(), anyLong());
    org.mockito.Mockito.doAnswer(all).when(guest.log).peek(any(), anyLong());
  }

  @Test
  void preemptedOperationsGoOn() {
    doReturn(Errno.ERESTART, Errno.ERESTART, Errno.OK).when(guest.log).enable();
    log.happen(random);
    verify(guest.log, times(3)).enable();
    assertThat(log.isOn()).isTrue();
    assertThat(guest.found).isEmpty();
  }

  @Test
  void shortageOfMemoryIsNoFindingButAnyOtherErrorIs() {
    doReturn(Errno.ENOMEM, Errno.EBUSY).when(guest.log).enable();
    log.happen(random);
    assertThat(guest.found).isEmpty();
    assertThat(guest.findings.refused()).isEqualTo(1);
    log.happen(random);
    assertThat(guest.found).containsExactly("enabling log-dirty mode answered EBUSY");
    assertThat(log.isOn()).isFalse();
  }

  @Test
  void logAndTrackingExcludeEachOther() {
    log.happen(random);
    assertThat(log.isOn()).isTrue();
    assertThat(vram.isPossible()).isFalse();
    for (int i = 0; i < 100 && log.isOn(); i++) {
      log.happen(random);
    }
    assertThat(vram.isPossible()).isTrue();
    vram.happen(random);
    assertThat(log.isPossible()).isFalse();
    for (int i = 0; i < 100 && vram.isOn(); i++) {
      vram.happen(random);
    }
    assertThat(log.isPossible()).isTrue();
  }

  @Test
  void writeToATrackedRangeThatIsLostIsCounted() {
    often(
        vram,
        random,
        () -> {
          for (int i = 0; i < PaperGuest.FRAMES; i++) {
            vram.wrote(Addresses.gfn(i));
          }
        });
    assertThat(vram.forgotten()).isPositive();
    assertThat(guest.found).isEmpty();
  }

  @Test
  void firstQuestionAboutARangeOnlyBegins() {
    vram.wrote(Addresses.gfn(1));
    vram.happen(random);
    assertThat(guest.found).isEmpty();
    assertThat(vram.isOn()).isTrue();
    assertThat(vram.forgotten()).isZero();
  }
}
