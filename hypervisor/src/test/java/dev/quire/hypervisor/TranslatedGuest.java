// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.NestedFault;

/**
 * A domain of 16 frames with a p2m, none of them where its number says, on a CPU that is scripted.
 */
final class TranslatedGuest {
  static final int FRAMES = 16;

  final FakeMachine machine = FakeMachine.ofFrames(1, 4096);
  final FakeBackend backend = new FakeBackend();
  final MachineHypervisor hypervisor = new MachineHypervisor(machine);
  final GuestDomain domain;
  final GuestVcpu vcpu;

  TranslatedGuest(P2mFormat format) {
    backend.format = format;
    hypervisor.createDomain(backend, Specs.row(1, 5));
    domain = (GuestDomain) hypervisor.createDomain(backend, Specs.row(1, FRAMES));
    vcpu = domain.vcpu(0);
    backend.calls.clear();
  }

  P2m p2m() {
    return domain.p2m();
  }

  long mfn(long gfn) {
    return domain.gfnToMfn(gfn);
  }

  /** What EPT says of an access to memory that is mapped without the right. */
  static long violation(long access) {
    return access
        | NestedFault.EPT_LINEAR
        | NestedFault.EPT_FINAL
        | 1 << NestedFault.EPT_RIGHTS_SHIFT;
  }

  /** The first operation of the block faults once at a guest-physical address. */
  RunResult faulting(OperationBlock block, long gpa, long qualification) {
    machine
        .cpu(0)
        .then(
            (control, entered) -> {
              control.exitNested(qualification, Addresses.gpa(gpa), Addresses.gva(gpa), 0);
              return ExitReason.NESTED_FAULT;
            });
    return vcpu.run(block);
  }
}
