// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import java.util.ArrayList;
import java.util.List;

/** A machine, its hypervisor and one guest under a backend that is watched. */
final class World {
  /** Where the memory of a {@link #neighbour} begins. */
  static final long NEIGHBOUR = 16L << 20;

  private final WorldPlan plan;
  private final Machine machine;
  private final Hypervisor hypervisor;
  private final Domain domain;
  private Guest guest;
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

  /** Gives the domain to another backend, which is watched from then on. */
  void swap(PagingBackend other) {
    Watched watched = new Watched(other);
    hypervisor.swap(domain, watched);
    expectNoWrongs();
    backend = watched;
  }

  /** The backends of the class path that can serve the domain; each has served it afterwards. */
  List<PagingBackend> ableBackends() {
    List<PagingBackend> able = new ArrayList<>();
    for (PagingBackend each : Services.backends()) {
      try {
        swap(each);
        able.add(each);
      } catch (BackendUnavailableException cannot) {
        // its features, the machine or the domain's frames do not allow it
      }
    }
    return able;
  }

  /** The guest, with its vCPUs out of paging, gets tables of another mode; it is not booted yet. */
  void rebuild(GuestMode mode) {
    Guest.clearTables(domain);
    guest = new Guest(domain, mode);
  }

  /** Another domain on the same machine, with 8 MiB at {@link #NEIGHBOUR} in its address space. */
  Domain neighbour() {
    DomainSpec own = domain.spec();
    List<Ram> memory = List.of(new Ram(NEIGHBOUR, own.frames() << Addresses.PAGE_SHIFT));
    return hypervisor.createDomain(
        backend, new DomainSpec(1, memory, own.placement(), own.largestOrder(), 0, 2));
  }

  /** The machine frame of every guest frame. */
  long[] frames() {
    long[] frames = new long[Guest.FRAMES];
    for (int i = 0; i < frames.length; i++) {
      frames[i] = domain.gfnToMfn(Addresses.gfn(i));
    }
    return frames;
  }

  /** How many frames the domain's pool has given out. */
  long tableFrames() {
    return domain.isTranslated() ? domain.pool().used() : 0;
  }

  private void expectNoWrongs() {
    assertEquals(List.of(), backend.wrongs(), () -> this + ": what the backend was asked");
  }

  /** Recomputes what must hold at every safe point, and fails with what does not. */
  void audit() {
    expectNoWrongs();
    assertEquals(List.of(), domain.paging().audit(), () -> this + ": audit of the backend");
  }

  /**
   * Brings every vCPU to its CPU, with nothing to do there: what is due before a guest runs again
   * is done, and what its tag then finds in TLBs is what it could hit.
   */
  void enter() {
    for (int number = 0; number < domain.vcpus(); number++) {
      vcpu(number).run(new OperationBlock(1));
    }
  }

  /** The same of the domain's p2m, for tests that change it. */
  void auditP2m() {
    assertEquals(List.of(), domain.p2m().audit(), () -> this + ": audit of the p2m");
  }

  /** What no TLB may allow, once the guest has invalidated what it has changed. */
  void expectNothingStale() {
    enter();
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
