// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Makes random steps of two PV domains until something is wrong or they are all made. Now and then
 * the world ends and another begins, since domains that do anything soon have no memory left to do
 * it with. What is wrong is told with as few steps as still show it.
 */
public final class PvTorture {
  /** Steps in worlds that are gone through again if something is wrong in them. */
  private static final int LIFE = 4_000;

  private static final int AUDIT_EVERY = 500;

  /** So few steps are audited one by one while a failure is shrunk. */
  private static final int FEW = 64;

  private static final int CPUS = 2;
  private static final long MEMORY = 2L << 20;

  /** Of each domain, for shadows and the dirty log. */
  private static final int POOL = 160;

  private final MachineFactory machines;
  private final HypervisorFactory hypervisors;
  private final GuestInterface guest;
  private final PagingBackend backend;
  private final long seed;
  private final Machine[] made = new Machine[2];
  private @Nullable PagingBackend other;
  private int swapEvery;
  private final Map<String, Long> counts = new TreeMap<>();

  /** The parts of the worlds. */
  public PvTorture(
      MachineFactory machines,
      HypervisorFactory hypervisors,
      GuestInterface guest,
      PagingBackend backend,
      long seed) {
    this.machines = machines;
    this.hypervisors = hypervisors;
    this.guest = guest;
    this.backend = backend;
    this.seed = seed;
  }

  /**
   * Lets the domains go to another backend and back, and see the same as others that do not.
   *
   * @param backend that can log writes
   * @param every so many steps lie between two swaps
   */
  public PvTorture swapping(PagingBackend backend, int every) {
    other = backend;
    swapEvery = every;
    return this;
  }

  /**
   * What came of it.
   *
   * @param steps that were made
   * @param failure what is wrong, with the steps that lead to it; empty if nothing is
   * @param counts what the domains' interfaces counted, and how steps ended
   */
  public record Findings(long steps, List<String> failure, Map<String, Long> counts) {}

  /**
   * Makes steps.
   *
   * @param progress told how many were made, now and then
   */
  public Findings run(long steps, LongConsumer progress) {
    for (long first = 0; first < steps; first += LIFE) {
      List<Long> numbers = numbers(first, Math.min(LIFE, steps - first));
      String wrong = live(numbers, AUDIT_EVERY);
      if (wrong != null) {
        return new Findings(first + numbers.size(), shrunk(numbers, wrong), counts);
      }
      progress.accept(first + numbers.size());
    }
    return new Findings(steps, List.of(), counts);
  }

  private static List<Long> numbers(long first, long count) {
    List<Long> numbers = new ArrayList<>();
    for (long number = first; number < first + count; number++) {
      numbers.add(number);
    }
    return numbers;
  }

  /** Worlds, one after the other, until the steps are made; what is wrong, or null. */
  private @Nullable String live(List<Long> numbers, int auditEvery) {
    try {
      PvWorld world = world();
      int made = 0;
      for (long number : numbers) {
        String wrong = world.perform(step(number));
        if (wrong != null) {
          return "step " + number + ": " + wrong;
        }
        made++;
        boolean last = world.isSpent() || made == numbers.size();
        List<String> audit = last || made % auditEvery == 0 ? world.audit() : List.of();
        if (!audit.isEmpty()) {
          return "after step " + number + ": " + String.join("; ", audit);
        }
        List<String> left = last ? ended(world) : List.of();
        if (!left.isEmpty()) {
          return "after the end, step " + number + ": " + String.join("; ", left);
        }
        world = last ? world() : world;
      }
      return null;
    } catch (RuntimeException thrown) {
      return "an exception of the host's: " + thrown;
    }
  }

  private List<String> ended(PvWorld world) {
    world.counts().forEach((name, count) -> counts.merge(name, count, Long::sum));
    counts.merge("worlds", 1L, Long::sum);
    return world.end();
  }

  private TortureStep step(long number) {
    return TortureStep.of(seed, number, TortureWorld.PAGES);
  }

  private PvWorld world() {
    PagingBackend away = other;
    return away == null ? world(0) : new SwappedWorld(world(0), world(1), backend, away, swapEvery);
  }

  /**
   * A world without a past, on a machine that is used again: its CPUs become fast only with use.
   */
  private TortureWorld world(int number) {
    Machine on = machine(number);
    Hypervisor hypervisor = hypervisors.create(on);
    DomainSpec spec = DomainSpec.hvm(CPUS, TortureWorld.FRAMES).withPool(POOL);
    GuestPolicy control =
        new GuestPolicy() {
          @Override
          public boolean isPrivilegedOver(int owner) {
            return owner == 1;
          }
        };
    Domain first = create(hypervisor, spec, control);
    Domain second = create(hypervisor, spec, GuestPolicy.PLAIN);
    if (other != null) { // in both worlds, so that frames have the same numbers
      first.pool();
      second.pool();
    }
    return new TortureWorld(hypervisor, first, second);
  }

  private Domain create(Hypervisor hypervisor, DomainSpec spec, GuestPolicy policy) {
    return hypervisor.createDomain(backend, spec, guest, policy);
  }

  private Machine machine(int number) {
    Machine on = made[number];
    if (on == null) {
      on = makeMachine();
      made[number] = on;
    }
    for (int cpu = 0; cpu < CPUS; cpu++) {
      on.cpu(cpu).requestFlush(); // which nobody waits for: it is done before the CPU runs
    }
    for (long frame = 0; frame < MEMORY >> 12; frame++) {
      @Mfn long mfn = Addresses.mfn(frame);
      if (on.memory().isHome(mfn)) {
        Arrays.fill(on.memory().frame(mfn), 0);
      }
    }
    return on;
  }

  /** What two worlds see is the same only where nothing is cached. */
  private Machine makeMachine() {
    MachineSpec bare =
        MachineSpec.bare(CpuProfile.full(CpuProfile.Vendor.INTEL, 36))
            .withCpus(CPUS)
            .withRam(List.of(new Ram(0, MEMORY)));
    MachineSpec spec =
        other == null
            ? bare.withTlb(machines.presets().values().iterator().next().geometry())
            : bare;
    return machines.create(
        new MachineSpec(
            spec.profile(), CPUS, spec.ram(), spec.tlb(), spec.cache(), seed, spec.trained()));
  }

  /** Leaves steps out for as long as something is wrong without them. */
  private List<String> shrunk(List<Long> failing, String wrong) {
    List<Long> numbers =
        Shrinker.shrink(
            failing, fewer -> again(fewer, fewer.size() > FEW ? AUDIT_EVERY : 1) != null);
    List<String> told = new ArrayList<>();
    numbers.forEach(number -> told.add("step " + number + ": " + step(number)));
    String last = again(numbers, 1);
    told.add(last == null ? wrong : last);
    return told;
  }

  /** On a machine that nothing has been done with, so that it goes the same way each time. */
  private @Nullable String again(List<Long> numbers, int auditEvery) {
    Arrays.fill(made, null);
    return live(numbers, auditEvery);
  }
}
