// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;

/**
 * What must come of an access, found without the backend and without the hardware's caches: a
 * software walk of the guest's tables in guest memory, then the p2m's answer for the page.
 */
final class Expectation {
  private Expectation() {}

  /**
   * Walks the guest's tables by the guest's registers.
   *
   * @return a {@link Translation} whose frame is guest-physical, or the fault; the frame alone with
   *     paging off
   */
  static long walk(Vcpu vcpu, @Gva long linear, long access) {
    Registers guest = vcpu.registers();
    if ((guest.cr0 & Cr0.PG) == 0) {
      return vcpu.translate(linear, access, null);
    }
    PagingContext context = new PagingContext(vcpu.domain().machine().profile());
    context.load(withTablesOfMemory(vcpu, guest));
    FrameMapper frames = gfn -> vcpu.domain().gfnToMfn(gfn);
    return vcpu.domain()
        .machine()
        .walker()
        .walk(context, linear, access, frames, PageWalker.LOOK_ONLY, null);
  }

  /**
   * The registers with the PDPTEs that are in memory. A guest that has changed them since it loaded
   * CR3 cannot rely on either: there is hardware that latches them, and NPT, which does not.
   */
  private static Registers withTablesOfMemory(Vcpu vcpu, Registers guest) {
    if (!PagingRules.format(guest.cr4, guest.efer).rootInRegisters()) {
      return guest;
    }
    Registers copy = new Registers();
    copy.set(guest);
    @Gpa long table = Addresses.gpa(guest.cr3 & Cr3.ROOT_PAE);
    for (int i = 0; i < Registers.PDPTES; i++) {
      copy.pdptes[i] =
          vcpu.domain().deviceLoad(Addresses.advance(table, (long) i * Long.BYTES), Long.BYTES);
    }
    return copy;
  }

  /** The machine address behind what a walk found, or {@link FrameMapper#NONE} for a device. */
  static @Maddr long machineAddress(Vcpu vcpu, long translation, @Gva long linear) {
    Registers guest = vcpu.registers();
    PagingFormat format = PagingRules.format(guest.cr4, guest.efer);
    boolean paged = (guest.cr0 & Cr0.PG) != 0;
    int shift = paged ? format.shift(Translation.level(translation)) : Addresses.PAGE_SHIFT;
    @Gpa long gpa = Addresses.gpa(Translation.address(translation, linear, shift));
    @Mfn long mfn = vcpu.domain().gfnToMfn(Addresses.gpaToGfn(gpa));
    return mfn == FrameMapper.NONE
        ? Addresses.maddr(FrameMapper.NONE)
        : Addresses.mfnToMaddr(mfn, Addresses.pageOffset(gpa));
  }

  /**
   * Has a vCPU probe an address and holds the outcome against the walk: the same machine address,
   * or the same page fault. The backend's own walk must agree too.
   */
  static void probe(World world, int number, long access, @Gva long linear) {
    Vcpu vcpu = world.vcpu(number);
    long expected = walk(vcpu, linear, access);
    String what = what(world, number, access, linear);
    assertEquals(expected, vcpu.translate(linear, access, null), () -> what + ": Vcpu.translate");
    assertEquals(
        expected,
        world.backend().mode(vcpu).translate(vcpu, linear, access, null),
        () -> what + ": PagingMode.translate");
    OperationBlock block = new OperationBlock(1);
    block.probe(access, linear);
    RunResult result = vcpu.run(block);
    if (Translation.isFault(expected)) {
      assertEquals(
          RunResult.FAULT, result, () -> what + ", refused by " + Translation.rule(expected));
      assertEquals(Vector.PF, vcpu.faultVector(), () -> what + ": vector");
      assertEquals(
          Translation.errorCode(expected), vcpu.faultErrorCode(), () -> what + ": error code");
      assertEquals(linear, vcpu.faultLinear(), () -> what + ": faulting address");
    } else {
      assertEquals(
          RunResult.DONE, result, () -> what + ", permitted; " + world.domain().crashReason());
      assertEquals(
          machineAddress(vcpu, expected, linear), block.reached()[0], () -> what + ": reached");
    }
  }

  /** Probes every page of the guest in every way. */
  static void probeAll(World world, int vcpu) {
    for (Slot slot : world.guest().slots()) {
      for (long access : LiveTranslations.ACCESSES) {
        probe(world, vcpu, access, slot.linear());
      }
    }
  }

  private static String what(World world, int vcpu, long access, @Gva long linear) {
    return String.format("%s: %s of 0x%x by vCPU %d", world, Access.describe(access), linear, vcpu);
  }
}
