// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.domain.Pagetables;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.StandardHypervisorFactory;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A machine with TLBs, a hypervisor on it, and PV guests. */
final class PvHost {
  static final int CPUS = 2;

  final Machine machine;
  final Hypervisor hypervisor;
  private final PagingBackend backend;

  /** A host whose CPUs do all that they are told. */
  PvHost() {
    this(Set.of());
  }

  /** The same with guests that begin under another backend. */
  PvHost(PagingBackend backend) {
    this(Set.of(), backend);
  }

  /** A host whose CPUs do not do what these methods of {@link Cpu} ask for. */
  PvHost(Set<String> ignored) {
    this(ignored, new PvBackend());
  }

  private PvHost(Set<String> ignored, PagingBackend backend) {
    this.backend = backend;
    MachineSpec bare = MachineSpec.bare(CpuProfile.full(CpuProfile.Vendor.INTEL, 40));
    Machine real =
        new X86MachineFactory()
            .create(
                new MachineSpec(
                    bare.profile(),
                    CPUS,
                    List.of(new Ram(0, 64L << 20)),
                    new X86MachineFactory().presets().get("skylake").geometry(),
                    null,
                    1,
                    false));
    machine = deaf(real, ignored);
    hypervisor = new StandardHypervisorFactory().create(machine);
  }

  /** What a CPU answers that does not do what it is asked. */
  private static @Nullable Object nothing(String method) {
    return method.equals("requestFlush") ? 0L : null;
  }

  private static Machine deaf(Machine real, Set<String> ignored) {
    Cpu[] cpus = new Cpu[CPUS];
    for (int number = 0; number < CPUS; number++) {
      cpus[number] =
          Seam.between(
              Cpu.class,
              real.cpu(number),
              (method, arguments, call) ->
                  ignored.contains(method) ? nothing(method) : call.call());
    }
    return Seam.between(
        Machine.class,
        real,
        (method, arguments, call) ->
            method.equals("cpu") ? cpus[(Integer) arguments[0]] : call.call());
  }

  PvGuest guest(int vcpus, long frames) {
    return guest(vcpus, frames, GuestPolicy.PLAIN);
  }

  PvGuest guest(int vcpus, long frames, GuestPolicy policy) {
    return guest(vcpus, frames, policy, () -> Patience.of(4096));
  }

  /** A guest whose calls stop when they are told to. */
  PvGuest guest(int vcpus, long frames, GuestPolicy policy, Supplier<Patience> patience) {
    DomainSpec spec = DomainSpec.hvm(vcpus, frames);
    return guest(spec, policy, patience, UnaryOperator.identity());
  }

  /** A guest whose interface sees another host. */
  PvGuest guest(
      DomainSpec spec,
      GuestPolicy policy,
      Supplier<Patience> patience,
      UnaryOperator<DomainHost> seen) {
    return guest(spec, policy, new Impatient(patience, seen, GrantRules.XEN));
  }

  /** An ordinary guest that maps grants by other rules. */
  PvGuest guest(GrantRules rules) {
    return guest(
        DomainSpec.hvm(2, 64),
        GuestPolicy.PLAIN,
        new Impatient(() -> Patience.of(4096), UnaryOperator.identity(), rules));
  }

  private PvGuest guest(DomainSpec spec, GuestPolicy policy, GuestInterface its) {
    return new PvGuest(hypervisor.createDomain(backend, spec, its, policy));
  }

  /** The interface with another idea of how long calls may take. */
  private record Impatient(
      Supplier<Patience> patience, UnaryOperator<DomainHost> seen, GrantRules rules)
      implements GuestInterface {
    @Override
    public String name() {
      return "pv";
    }

    @Override
    public String description() {
      return "pv, in a hurry";
    }

    @Override
    public Pagetables pagetables(
        FrameTable frames, PhysicalMemory memory, GuestPolicy policy, int owner) {
      return new PvPagetables(frames, memory, policy, owner);
    }

    @Override
    public InterfaceDomain take(DomainHost host) {
      PvDomain domain =
          new PvDomain(seen.apply(host), patience, EntryRules.SLOTS, rules, TableFormat.LONG);
      new DomainBuilder(domain).build();
      return domain;
    }
  }
}
