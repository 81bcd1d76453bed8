// SPDX-License-Identifier: Apache-2.0
package dev.quire.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.domain.StartInfo;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.StandardHypervisorFactory;
import dev.quire.paging.pv.PvBackend;
import dev.quire.paging.pv.PvInterface;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * Two PV domains, the first with power over the second, whose kernels do what bytes say: fill a
 * page of requests, store somewhere, make a call. A byte chooses what kind of number comes next, so
 * that what a guest would say (its frames, entries, addresses, domains) is not to be hit by chance.
 */
final class FuzzedDomains {
  private static final int CPUS = 2;
  private static final int FRAMES = 48;
  private static final long MEMORY = 1L << 20;
  private static final int MOST_EXITS = 100_000;
  private static final int MOST_WORDS = 16;
  private static final int MOST_ACTS = 64;
  private static final long KERNEL = Access.of(0, false, false);

  /** Those that do something, and those on both sides of them. */
  private static final int[] CALLS = {1, 2, 3, 10, 12, 13, 14, 20, 21, 22, 23, 26, 27, -1};

  private static final long[] DOMAINS = {0x7ff0, 0, 1, 2, 0x7ff1, 0x7ff2, 0x7ff3, -1, 1L << 16};

  private static final Machine MACHINE =
      new X86MachineFactory()
          .create(
              MachineSpec.bare(CpuProfile.full(CpuProfile.Vendor.INTEL, 36))
                  .withCpus(CPUS)
                  .withRam(List.of(new Ram(0, MEMORY))));

  private final FuzzedDataProvider bytes;
  private final Hypervisor hypervisor;
  private final Domain[] domains;
  private final OperationBlock block = new OperationBlock(MOST_WORDS + 1);
  private int acts;

  FuzzedDomains(FuzzedDataProvider bytes) {
    this.bytes = bytes;
    for (int cpu = 0; cpu < CPUS; cpu++) {
      MACHINE.cpu(cpu).flush();
    }
    for (long number = 0; number < MEMORY >> 12; number++) {
      @Mfn long mfn = Addresses.mfn(number);
      if (MACHINE.memory().isHome(mfn)) {
        Arrays.fill(MACHINE.memory().frame(mfn), 0);
      }
    }
    hypervisor = new StandardHypervisorFactory().create(MACHINE);
    GuestPolicy control =
        new GuestPolicy() {
          @Override
          public boolean isPrivilegedOver(int owner) {
            return owner == 1;
          }
        };
    domains = new Domain[] {create(control), create(GuestPolicy.PLAIN)};
  }

  private Domain create(GuestPolicy policy) {
    DomainSpec spec = DomainSpec.hvm(CPUS, FRAMES);
    return hypervisor.createDomain(new PvBackend(), spec, new PvInterface(), policy);
  }

  /** Whether there is anything left to be done. */
  boolean live() {
    return acts < MOST_ACTS && domains[0].crashReason() == null && domains[1].crashReason() == null;
  }

  /** Does one thing, and looks whether all is well. */
  void act() {
    acts++;
    int which = bytes.consumeInt(0, 1);
    Vcpu vcpu = domains[which].vcpu(bytes.consumeInt(0, CPUS - 1));
    long exits = vcpu.exits(ExitReason.HYPERCALL);
    block.clear();
    long page = linear(bytes.consumeInt(0, 3) == 0 ? page() : FRAMES - 1 - vcpu.number());
    for (int i = bytes.consumeInt(0, MOST_WORDS); i > 0; i--) {
      block.store(KERNEL, Addresses.gva(page + i * 8L), Long.BYTES, number(which));
    }
    long call = bytes.consumeBoolean() ? bytes.pickValue(CALLS) : number(which);
    long first = bytes.consumeBoolean() ? page + 8 : number(which);
    block.hypercall(call, first, number(which), number(which), number(which), number(which));
    vcpu.run(block);
    if (vcpu.exits(ExitReason.HYPERCALL) - exits > MOST_EXITS) {
      throw new IllegalStateException("a call that does not end: " + call);
    }
    audit();
  }

  private int page() {
    return bytes.consumeInt(0, FRAMES - 1);
  }

  private static long linear(int page) {
    return StartInfo.BASE + ((long) page << 12);
  }

  private long mfn(int which) {
    Domain of = domains[bytes.consumeInt(0, 7) == 0 ? 1 - which : which];
    return of.gfnToMfn(Addresses.gfn(page()));
  }

  private long number(int which) {
    return switch (bytes.consumeInt(0, 8)) {
      case 0 -> 0;
      case 1 -> bytes.consumeLong();
      case 2 -> bytes.consumeInt(0, 31);
      case 3 -> mfn(which);
      case 4 -> mfn(which) << 12 | bytes.consumeInt(0, 511) * 8L | bytes.consumeInt(0, 4);
      case 5 -> mfn(which) << 12 | bytes.consumeInt(0, 4095);
      case 6 -> linear(page()) + bytes.consumeInt(0, 511) * 8L;
      case 7 -> bytes.pickValue(DOMAINS);
      default -> 1L << bytes.consumeInt(0, 63);
    };
  }

  private void audit() {
    InterfaceDomain guest = Objects.requireNonNull(domains[0].guestInterface());
    judge(guest.audit());
  }

  private static void judge(List<String> wrong) {
    if (!wrong.isEmpty()) {
      throw new IllegalStateException(String.join("; ", wrong));
    }
  }

  /** Ends the domains: nothing of them stays. */
  void end() {
    List<String> left = new ArrayList<>();
    for (Domain domain : domains) {
      hypervisor.destroy(domain);
    }
    for (Domain domain : domains) {
      hypervisor
          .frames()
          .forEachOwned(
              domain.id(),
              mfn -> left.add(String.format("frame 0x%x outlives domain %d", mfn, domain.id())));
    }
    judge(left);
  }
}
