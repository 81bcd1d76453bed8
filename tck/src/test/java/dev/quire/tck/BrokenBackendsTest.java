// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Gva;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The contract can fail: for each clause a backend with one defect, and the tests that find it. */
class BrokenBackendsTest {
  /** One world of each mode is enough to fail in. */
  abstract static class OneMachine extends PagingContract {
    @Override
    protected List<MachineSpec> machines() {
      return List.of(machine(CpuProfile.full(Vendor.INTEL, 40)));
    }
  }

  static final class Sound extends OneMachine {
    @Override
    protected PagingBackend backend() {
      return new InterceptingBackend(service("native"));
    }
  }

  @Test
  void theBackendThatDefectsArePutIntoIsSound() {
    ContractRun run = ContractRun.of(Sound.class);
    assertThat(run.failed).isEmpty();
    assertThat(run.successful).isPositive();
  }

  static final class FixesNothing extends OneMachine {
    @Override
    protected PagingBackend backend() {
      return new InterceptingBackend(service("native")) {
        @Override
        Resolution pageFault(Vcpu vcpu) {
          return Resolution.FIXED;
        }
      };
    }
  }

  @Test
  void clause1FindsFaultsThatAreSaidToBeFixedAndAreNot() {
    assertThat(ContractRun.of(FixesNothing.class).failed.get("Progress"))
        .contains("aFaultThatIsTheGuestsGoesToTheGuest");
  }

  static final class KeepsItsRoot extends OneMachine {
    @Override
    protected PagingBackend backend() {
      return new InterceptingBackend(service("native")) {
        @Override
        void updateCr3(PagingMode mode, Vcpu vcpu, boolean keepCached) {
          // the hardware goes on with the root that it has
        }
      };
    }
  }

  @Test
  void clause2FindsARootThatIsNotTheGuests() {
    assertThat(ContractRun.of(KeepsItsRoot.class).failed.get("Roots"))
        .contains("anotherRootGivesWhatItsTablesGive");
  }

  static final class NeverInvalidates extends OneMachine {
    @Override
    protected PagingBackend backend() {
      return new InterceptingBackend(service("native")) {
        @Override
        boolean invalidate(PagingMode mode, Vcpu vcpu, @Gva long linear) {
          return false;
        }
      };
    }
  }

  @Test
  void clause3FindsAnInvalidationThatLeavesTheEntry() {
    assertThat(ContractRun.of(NeverInvalidates.class).failed.get("Invalidations"))
        .contains(
            "invlpgMakesAChangedEntryCount", "aGlobalPageGoesByInvlpgAndByChangingTheGlobalBit");
  }
}
