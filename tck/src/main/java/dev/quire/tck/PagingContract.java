// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;

/**
 * The contract of the paging interface: the seven clauses and the laws, each a nested class. The
 * author of a backend extends this and says which backend; and, where the backend does not suit
 * what its features promise, on which machines and for which domains:
 *
 * <pre>{@code
 * class MyBackendTest extends PagingContract {
 *   @Override
 *   protected PagingBackend backend() {
 *     return service("mine");
 *   }
 * }
 * }</pre>
 *
 * <p>Clauses about what the backend does not declare in its {@linkplain PagingBackend#features
 * features} are skipped, with the reason.
 */
public abstract class PagingContract {
  private static final long MEMORY = (long) Guest.FRAMES << 12;

  /** For subclasses. */
  protected PagingContract() {}

  /** The backend under test; commonly a {@link #service}. */
  protected abstract PagingBackend backend();

  /**
   * The machines that it must work on. Each test runs on every one; unless told otherwise, one of
   * each vendor that has the {@linkplain PagingBackend#cpuFeatures features} which it needs, with
   * TLBs; one that has the features of both vendors, so that it takes turns with the backends of
   * either; and one without caches.
   */
  protected List<MachineSpec> machines() {
    List<MachineSpec> machines = new ArrayList<>();
    for (Vendor vendor : Vendor.values()) {
      CpuProfile profile = CpuProfile.full(vendor, 40);
      if (profile.features().containsAll(backend().cpuFeatures())) {
        machines.add(machine(profile));
      }
    }
    if (machines.isEmpty()) {
      throw new IllegalStateException(
          "no real CPU has " + backend().cpuFeatures() + ": say which machines there are");
    }
    CpuProfile first = machines.get(0).profile();
    machines.add(
        machine(new CpuProfile(first.vendor(), first.physicalBits(), CpuProfile.allOfBoth())));
    machines.add(machines.get(0).withTlb(null));
    return machines;
  }

  /**
   * Machines that it cannot work on, and must say so: unless told otherwise, the first that suits
   * it, less one of the features which it needs.
   */
  protected List<MachineSpec> unsuitableMachines() {
    CpuProfile whole = machines().get(0).profile();
    return backend().cpuFeatures().stream().sorted().map(each -> lacking(whole, each)).toList();
  }

  private static MachineSpec lacking(CpuProfile whole, CpuProfile.Feature missing) {
    Set<CpuProfile.Feature> rest = EnumSet.copyOf(whole.features());
    rest.remove(missing);
    return machine(new CpuProfile(whole.vendor(), whole.physicalBits(), rest));
  }

  /**
   * The kinds of domains that it must serve. Unless told otherwise, what its features promise:
   * guest frames that are machine frames, and for a backend with {@link Feature#TRANSLATE} also
   * scattered small frames and a row of large ones.
   */
  protected List<DomainSpec> domains() {
    DomainSpec scattered = domain(Placement.SCATTERED);
    DomainSpec identity = domain(Placement.IDENTITY);
    return backend().features().contains(Feature.TRANSLATE)
        ? List.of(scattered, domain(Placement.CONTIGUOUS).withLargestOrder(9), identity)
        : List.of(identity);
  }

  /** What guests choose on a machine: all modes that it offers. */
  List<GuestMode> modes(MachineSpec machine) {
    return GuestMode.offeredBy(machine.profile());
  }

  /**
   * A backend from the class path.
   *
   * @param name as a configuration gives it
   */
  protected static PagingBackend service(String name) {
    return Services.backend(name);
  }

  /** A machine of two such CPUs with TLBs that hold all of a small guest, and 64 MiB of RAM. */
  protected static MachineSpec machine(CpuProfile profile) {
    return MachineSpec.bare(profile)
        .withCpus(2)
        .withRam(List.of(new Ram(0, 64L << 20)))
        .withTlb(roomy());
  }

  /** A domain of two vCPUs and 8 MiB. */
  protected static DomainSpec domain(Placement placement) {
    return new DomainSpec(2, List.of(new Ram(0, MEMORY)), placement, 0, 0, 1);
  }

  /** Nothing is evicted that a test could then not find stale. */
  private static TlbGeometry roomy() {
    List<Tlb> first = List.of(new Tlb(new Array(4, 8), 1), new Tlb(new Array(1, 8), 6));
    List<Tlb> second = List.of(new Tlb(new Array(16, 8), 3));
    Array structures = new Array(1, 8);
    return new TlbGeometry(
        first,
        first,
        second,
        List.of(structures, structures, structures, structures),
        Replacement.LRU);
  }

  /** Clause 1. */
  @Nested
  @DisplayName("Clause 1: faults make progress")
  final class Progress extends ProgressClause {
    Progress() {
      super(PagingContract.this);
    }
  }

  /** Clause 2. */
  @Nested
  @DisplayName("Clause 2: a root gives no more than the guest's tables")
  final class Roots extends RootClause {
    Roots() {
      super(PagingContract.this);
    }
  }

  /** Clause 3. */
  @Nested
  @DisplayName("Clause 3: what is invalidated is gone")
  final class Invalidations extends InvalidationClause {
    Invalidations() {
      super(PagingContract.this);
    }
  }

  /** Law 1. */
  @Nested
  @DisplayName("Law: a backend is a cache")
  final class Caches extends CacheLaw {
    Caches() {
      super(PagingContract.this);
    }
  }

  /** Mode changes. */
  @Nested
  @DisplayName("Law: a guest may change its mode")
  final class Modes extends ModeLaw {
    Modes() {
      super(PagingContract.this);
    }
  }

  /** Law 6. */
  @Nested
  @DisplayName("Law: attaching is all or nothing")
  final class Attaching extends AttachLaw {
    Attaching() {
      super(PagingContract.this);
    }
  }

  /** Law 5. */
  @Nested
  @DisplayName("Law: a guest's mistake is an answer")
  final class Mistakes extends MistakeLaw {
    Mistakes() {
      super(PagingContract.this);
    }
  }

  /** Law 5, where tables are garbage. */
  @Nested
  @DisplayName("Law: a guest reaches nobody else's memory")
  final class Confinement extends ConfinementLaw {
    Confinement() {
      super(PagingContract.this);
    }
  }

  /** Law 7. */
  @Nested
  @DisplayName("Law: the same run costs the same")
  final class Determinism extends DeterminismLaw {
    Determinism() {
      super(PagingContract.this);
    }
  }

  /** Clause 4. */
  @Nested
  @DisplayName("Clause 4: no way leads through a p2m entry that has changed")
  final class P2mChangesSeen extends P2mClause {
    P2mChangesSeen() {
      super(PagingContract.this);
    }
  }

  /** Clause 5. */
  @Nested
  @DisplayName("Clause 5: the dirty log misses no write")
  final class DirtyLog extends LogDirtyClause {
    DirtyLog() {
      super(PagingContract.this);
    }
  }

  /** Clause 6. */
  @Nested
  @DisplayName("Clause 6: without memory all or nothing")
  final class PoolUsedUp extends PoolClause {
    PoolUsedUp() {
      super(PagingContract.this);
    }
  }

  /** Clause 7. */
  @Nested
  @DisplayName("Clause 7: what is detached is gone")
  final class Detaching extends DetachClause {
    Detaching() {
      super(PagingContract.this);
    }
  }
}
