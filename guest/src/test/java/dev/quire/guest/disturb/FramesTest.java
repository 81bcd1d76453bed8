// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.anyInt;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.Mockito.doReturn;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Errno;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Frames that go, come back and move. */
class FramesTest {
  private final Random random = new Random(1);

  private static void inflate(PaperGuest guest, Balloon balloon, Random random) {
    for (int i = 0; i < 200 && balloon.spare().size() < 30; i++) {
      balloon.happen(random);
    }
    assertThat(guest.found).isEmpty();
    assertThat(balloon.isInflated()).isTrue();
  }

  /** What backs the guest and what backs nothing is, together, what it had. */
  private static void assertNoFrameLost(PaperGuest guest, Balloon balloon) {
    List<Long> all = new ArrayList<>(guest.map.values());
    all.addAll(balloon.spare());
    Set<Long> distinct = new HashSet<>(all);
    assertThat(all).hasSize(PaperGuest.FRAMES);
    assertThat(distinct).hasSize(PaperGuest.FRAMES);
  }

  @Test
  void framesGoOutOfTheP2mAndComeBackElsewhere() {
    PaperGuest guest = new PaperGuest();
    Balloon balloon = new Balloon(guest.memory, guest.findings);
    inflate(guest, balloon, random);
    assertNoFrameLost(guest, balloon);
    balloon.giveAllBack();
    assertThat(balloon.isInflated()).isFalse();
    assertThat(balloon.spare()).isEmpty();
    assertNoFrameLost(guest, balloon);
    assertThat(guest.map.entrySet()).anyMatch(it -> it.getValue() != it.getKey() + 100);
  }

  @Test
  void pageTablesStay() {
    PaperGuest guest = new PaperGuest();
    for (int i = 0; i < PaperGuest.FRAMES; i += 2) {
      guest.memory.table(Addresses.gfn(i));
    }
    Balloon balloon = new Balloon(guest.memory, guest.findings);
    inflate(guest, balloon, random);
    assertThat(guest.map).hasSizeLessThan(PaperGuest.FRAMES);
    for (long i = 0; i < PaperGuest.FRAMES; i += 2) {
      assertThat(guest.map).containsKey(i);
    }
  }

  @Test
  void frameOfAPinnedGuestComesBackToItsOwnPlace() {
    PaperGuest guest = new PaperGuest(Placement.IDENTITY, 0);
    Balloon balloon = new Balloon(guest.memory, guest.findings);
    inflate(guest, balloon, random);
    balloon.giveAllBack();
    assertThat(guest.map.entrySet()).allMatch(it -> it.getValue().equals(it.getKey()));
  }

  @Test
  void movedFrameTakesItsContentAlongAndLeavesPoison() {
    PaperGuest guest = new PaperGuest();
    Balloon balloon = new Balloon(guest.memory, guest.findings);
    Remapping remapping = new Remapping(guest.memory, guest.findings, balloon);
    assertThat(remapping.isPossible()).isFalse();
    inflate(guest, balloon, random);
    guest.map.forEach((gfn, mfn) -> guest.content(mfn)[17] = gfn + 1);
    for (int i = 0; i < 500; i++) {
      remapping.happen(random);
    }
    assertThat(guest.found).isEmpty();
    assertNoFrameLost(guest, balloon);
    guest.map.forEach((gfn, mfn) -> assertThat(guest.content(mfn)[17]).isEqualTo(gfn + 1));
    assertThat(guest.map.entrySet()).anyMatch(it -> it.getValue() != it.getKey() + 100);
    balloon.spare().forEach(mfn -> assertThat(guest.content(mfn)[17] & 1).isZero());
  }

  @Test
  void pinnedGuestIsNotMoved() {
    PaperGuest guest = new PaperGuest(Placement.IDENTITY, 0);
    Balloon balloon = new Balloon(guest.memory, guest.findings);
    inflate(guest, balloon, random);
    assertThat(new Remapping(guest.memory, guest.findings, balloon).isPossible()).isFalse();
  }

  @Test
  void frameThatCannotComeBackIsFound() {
    PaperGuest guest = new PaperGuest();
    Balloon balloon = new Balloon(guest.memory, guest.findings);
    inflate(guest, balloon, random);
    doReturn(Errno.ENOMEM).when(guest.p2m).add(anyLong(), anyLong(), anyInt(), any());
    balloon.giveAllBack();
    assertThat(guest.found).isNotEmpty().allMatch(it -> it.contains("the guest needs it"));
  }
}
