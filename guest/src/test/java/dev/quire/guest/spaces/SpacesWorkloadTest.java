// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.spaces;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.guest.InputException;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.x86.CpuProfile;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.StandardHypervisorFactory;
import dev.quire.hypervisor.nativepaging.NativeBackend;
import dev.quire.paging.pv.PvBackend;
import dev.quire.paging.pv.PvInterface;
import dev.quire.paging.shadow.ShadowBackend;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Address spaces of a PV guest, pinned and not. */
class SpacesWorkloadTest {
  private static final int SPACES = 5;
  private static final int PAGES = 3;

  /** Of one space: its pages, and one entry each at levels 2 and 3. */
  private static final long OWN_ENTRIES = PAGES + 2;

  private static WorkloadReport run(boolean pinned, int switches) {
    Map<String, String> options =
        Map.of(
            "spaces", Integer.toString(SPACES),
            "pages", Integer.toString(PAGES),
            "switches", Integer.toString(switches),
            "pinned", Boolean.toString(pinned));
    try (Workload workload = new SpacesFactory().open(options)) {
      DomainSpec spec = DomainSpec.hvm(1, workload.needs().memory().get(0).length() >>> 12);
      return workload.run(domain(spec, true), Toolstack.NONE, WorkloadMonitor.NONE);
    }
  }

  private static Hypervisor hypervisor() {
    return new StandardHypervisorFactory()
        .create(
            new X86MachineFactory()
                .create(
                    MachineSpec.bare(CpuProfile.full(CpuProfile.Vendor.INTEL, 36))
                        .withRam(List.of(new Ram(0, 64L << 20)))));
  }

  private static Domain domain(DomainSpec spec, boolean pv) {
    Hypervisor hypervisor = hypervisor();
    return pv
        ? hypervisor.createDomain(new PvBackend(), spec, new PvInterface(), GuestPolicy.PLAIN)
        : hypervisor.createDomain(
            new NativeBackend(), spec.withPlacement(DomainSpec.Placement.IDENTITY));
  }

  @Test
  void pinnedTablesAreValidatedOnce() {
    WorkloadReport report = run(true, 40);
    assertThat(report.explanations()).isEmpty();
    assertThat(report.differences()).isZero();
    assertThat(report.facts())
        .containsEntry("switches", 40L)
        .containsEntry("hypercalls", 40L)
        .containsEntry("entries validated", 0L)
        .containsEntry("entries given back", 0L);
  }

  @Test
  void tablesThatNobodyPinsAreValidatedAtEverySwitch() {
    WorkloadReport report = run(false, 40);
    assertThat(report.differences()).isZero();
    long kernel = 1; // the slot that every root shares
    assertThat(report.facts())
        .containsEntry("entries validated", 40 * (OWN_ENTRIES + 1 + kernel))
        .containsEntry("entries given back", 39 * (OWN_ENTRIES + 1 + kernel));
  }

  @Test
  void seesTheSameOnShadowsAndAllItsWritesAreInTheLog() {
    Map<String, String> options =
        Map.of("spaces", "4", "pages", "2", "switches", "200", "swap-every", "20");
    Hypervisor hypervisor = hypervisor();
    try (Workload workload = new SpacesFactory().open(options)) {
      DomainSpec spec = DomainSpec.hvm(1, workload.needs().memory().get(0).length() >>> 12);
      Domain domain =
          hypervisor.createDomain(new PvBackend(), spec, new PvInterface(), GuestPolicy.PLAIN);
      WorkloadReport report = workload.run(domain, toAndFro(hypervisor), WorkloadMonitor.NONE);
      assertThat(report.explanations()).isEmpty();
      assertThat(report.facts()).containsEntry("backend swaps", 10L);
      assertThat((Long) report.facts().get("dirty log: frames that had to be in it"))
          .isGreaterThan(100);
    }
  }

  private static Toolstack toAndFro(Hypervisor hypervisor) {
    return new Toolstack() {
      @Override
      public List<String> backends(Domain domain) {
        return List.of("pv", "shadow");
      }

      @Override
      public void swap(Domain domain, String backend) {
        hypervisor.swap(domain, backend.equals("pv") ? new PvBackend() : new ShadowBackend());
      }
    };
  }

  @Test
  void swapsNeedTwoBackends() {
    Map<String, String> options = Map.of("spaces", "2", "swap-every", "5");
    try (Workload workload = new SpacesFactory().open(options)) {
      DomainSpec spec = DomainSpec.hvm(1, workload.needs().memory().get(0).length() >>> 12);
      Domain domain = domain(spec, true);
      assertThatThrownBy(() -> workload.run(domain, Toolstack.NONE, WorkloadMonitor.NONE))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("swap-every");
    }
  }

  @Test
  void needsAPvDomainAndSaysSo() {
    try (Workload workload = new SpacesFactory().open(Map.of("spaces", "1"))) {
      Domain hvm = domain(DomainSpec.hvm(1, 1024), false);
      assertThatThrownBy(() -> workload.run(hvm, Toolstack.NONE, WorkloadMonitor.NONE))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("domain.interface");
    }
  }

  @Test
  void badOptionsAreNamed() {
    for (Map<String, String> bad :
        List.of(Map.of("spaces", "0"), Map.of("pinned", "maybe"), Map.of("colour", "red"))) {
      assertThatThrownBy(() -> new SpacesFactory().open(bad))
          .isInstanceOf(InputException.class)
          .hasMessageContaining(bad.keySet().iterator().next());
    }
  }
}
