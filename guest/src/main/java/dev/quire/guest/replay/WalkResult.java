// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Gva;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Translation;

/** What walks of the guest's tables say, in the terms of a recording. */
final class WalkResult {
  /** In the place of a physical address: the walk ended in a fault. */
  static final long NOWHERE = -1;

  private WalkResult() {}

  /** The guest-physical address that an access would reach now, or {@link #NOWHERE}. */
  static long place(Vcpu vcpu, @Gva long linear, long access) {
    long translation = vcpu.translate(linear, access, null);
    return Translation.isFault(translation) ? NOWHERE : address(vcpu, linear, translation);
  }

  /** The guest-physical address that a translation gives. */
  static long address(Vcpu vcpu, @Gva long linear, long translation) {
    return Translation.address(translation, linear, pageShift(vcpu, translation));
  }

  /** log2 of the size of the page of a translation. */
  static int pageShift(Vcpu vcpu, long translation) {
    return format(vcpu).shift(Translation.level(translation));
  }

  /** The format that the guest has chosen for its tables. */
  static PagingFormat format(Vcpu vcpu) {
    Registers registers = vcpu.registers();
    return PagingRules.format(registers.cr4, registers.efer);
  }
}
