// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.tck.BrokenBackends.DoesNotBeginANewRound;
import dev.quire.tck.BrokenBackends.FixesNothing;
import dev.quire.tck.BrokenBackends.KeepsFramesWhenDetached;
import dev.quire.tck.BrokenBackends.KeepsItsRoot;
import dev.quire.tck.BrokenBackends.LeavesHalfWhenRefusing;
import dev.quire.tck.BrokenBackends.NeverInvalidates;
import dev.quire.tck.BrokenBackends.Sound;
import dev.quire.tck.BrokenBackends.UsesACopyOfTheP2m;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The contract can fail: for each clause a backend with one defect, and the tests that find it. */
class BrokenBackendsTest {
  @Test
  void aBackendWithoutADefectPasses() {
    ContractRun run = ContractRun.of(Sound.class);
    assertThat(run.failed()).isEmpty();
    assertThat(run.successful()).isGreaterThan(20);
  }

  private static Set<String> failures(
      Class<? extends PagingContract> contract, Class<? extends Clause> clause) {
    return ContractRun.of(contract, clause).failed();
  }

  @Test
  void clause1FindsFaultsThatAreSaidToBeFixedAndAreNot() {
    assertThat(failures(FixesNothing.class, PagingContract.Progress.class))
        .contains("aFaultThatIsTheGuestsGoesToTheGuest");
  }

  @Test
  void clause2FindsARootThatIsNotTheGuests() {
    assertThat(failures(KeepsItsRoot.class, PagingContract.Roots.class))
        .contains("anotherRootGivesWhatItsTablesGive");
  }

  @Test
  void clause3FindsAnInvalidationThatLeavesTheEntry() {
    assertThat(failures(NeverInvalidates.class, PagingContract.Invalidations.class))
        .contains(
            "invlpgMakesAChangedEntryCount",
            "invlpgWithAnyAddressInThePageDoes",
            "everyTypeOfInvpcidDoes",
            "aGlobalPageGoesByInvlpgAndByChangingTheGlobalBit");
  }

  @Test
  void clause4FindsTablesThatAP2mChangeDoesNotReach() {
    assertThat(failures(UsesACopyOfTheP2m.class, PagingContract.P2mChangesSeen.class))
        .contains(
            "aRemappedFrameIsReachedAtItsNewPlaceByEveryVcpu",
            "aGuestDoesNotNoticeThatItsFramesMove");
  }

  @Test
  void clause5FindsWritesThatAreMissedAfterTheLogWasRead() {
    assertThat(failures(DoesNotBeginANewRound.class, PagingContract.DirtyLog.class))
        .contains("noWriteIsMissed");
  }

  @Test
  void clause6FindsARefusalThatLeavesSomethingBehind() {
    assertThat(failures(LeavesHalfWhenRefusing.class, PagingContract.PoolUsedUp.class))
        .contains("aSwapWithTooLittlePoolIsDoneOrChangesNothing");
  }

  @Test
  void clause7FindsFramesThatAreNotGivenBack() {
    assertThat(failures(KeepsFramesWhenDetached.class, PagingContract.Detaching.class))
        .contains(
            "attachedAnewTheBackendTakesNoMoreThanBefore",
            "whenAnotherBackendHasTakenOverNothingOfThisOneIsLeft");
  }
}
