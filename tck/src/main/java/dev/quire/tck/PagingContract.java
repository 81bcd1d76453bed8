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
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;

/**
 * The contract of the paging interface: the seven clauses and the laws, each a nested class. The
 * author of a backend extends this, says which backend, and where it runs:
 *
 * <pre>{@code
 * class MyBackendTest extends PagingContract {
 *   @Override
 *   protected PagingBackend backend() {
 *     return service("mine");
 *   }
 *
 *   @Override
 *   protected List<MachineSpec> machines() {
 *     return List.of(machine(CpuProfile.full(Vendor.AMD, 40)));
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
   * each vendor with TLBs, and one without caches.
   */
  protected List<MachineSpec> machines() {
    MachineSpec intel = machine(CpuProfile.full(Vendor.INTEL, 40));
    return List.of(intel, machine(CpuProfile.full(Vendor.AMD, 40)), intel.withTlb(null));
  }

  /** Machines that it cannot work on, and must say so. None unless told otherwise. */
  protected List<MachineSpec> unsuitableMachines() {
    return List.of();
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
}
