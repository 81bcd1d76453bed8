// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.paging.PagingBackend;
import java.util.ArrayList;
import java.util.List;

/** A machine, its hypervisor and one guest under a backend that is watched. */
final class World {
  private final WorldPlan plan;
  private final Machine machine;
  private final Hypervisor hypervisor;
  private final Domain domain;
  private final Guest guest;
  private Watched backend;

  private World(WorldPlan plan, MachineSpec machine, DomainSpec spec, PagingBackend backend) {
    this.plan = plan;
    this.machine = Services.machines().create(machine);
    this.hypervisor = Services.hypervisors().create(this.machine);
    this.backend = new Watched(backend);
    this.domain = hypervisor.createDomain(this.backend, spec);
    this.guest = new Guest(domain, plan.mode());
  }

  /** A guest under the backend that is tested, all vCPUs booted. */
  static World of(WorldPlan plan, PagingBackend backend) {
    World world = new World(plan, plan.machine(), plan.domain(), backend);
    world.boot();
    return world;
  }

  /** The same guest on the bare machine without caches. */
  static World reference(WorldPlan plan) {
    World world =
        new World(plan, plan.reference(), plan.referenceDomain(), Services.backend("native"));
    world.boot();
    return world;
  }

  private void boot() {
    for (int number = 0; number < domain.vcpus(); number++) {
      guest.boot(number);
    }
  }

  Machine machine() {
    return machine;
  }

  Hypervisor hypervisor() {
    return hypervisor;
  }

  Domain domain() {
    return domain;
  }

  Guest guest() {
    return guest;
  }

  Vcpu vcpu(int number) {
    return domain.vcpu(number);
  }

  Watched backend() {
    return backend;
  }

  /** Recomputes what must hold at every safe point, and fails with what does not. */
  void audit() {
    List<String> wrongs = new ArrayList<>(backend.wrongs());
    wrongs.addAll(domain.paging().audit());
    assertEquals(List.of(), wrongs, () -> this + ": audit");
  }

  /** What no TLB may allow, once the guest has invalidated what it has changed. */
  void expectNothingStale() {
    for (int number = 0; number < domain.vcpus(); number++) {
      List<String> wrongs = LiveTranslations.of(vcpu(number)).beyondGuestRights();
      String who = "vCPU " + number;
      assertEquals(List.of(), wrongs, () -> this + ": " + who);
    }
  }

  @Override
  public String toString() {
    return plan + ", backend " + backend.name();
  }
}
