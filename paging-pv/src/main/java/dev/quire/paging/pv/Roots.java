// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.x86.PageEntry;

/**
 * The roots of one vCPU, and which of them the hardware has: that of the guest's kernel, and that
 * of its user programs, which the kernel's slots are missing from. Each holds a general reference
 * and one to a validated level-4 table ({@code new_guest_cr3}, {@code toggle_guest_mode}).
 */
final class Roots {
  private static final @Mfn long NONE = Addresses.mfn(FrameMapper.NONE);

  /** Of the entry that a 32-bit guest's root hangs below. */
  private static final long COMPAT_ENTRY =
      PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A | PageEntry.D;

  private final PvVcpu vcpu;
  private final DomainHost host;
  private @Mfn long kernel = NONE;
  private @Mfn long user = NONE;
  private boolean inKernel = true;

  /**
   * The level-4 table of the hypervisor's that the hardware has of a 32-bit guest ({@code
   * setup_compat_l4}).
   */
  private @Mfn long compat = NONE;

  Roots(PvVcpu vcpu) {
    this.vcpu = vcpu;
    host = vcpu.domain().host();
  }

  /** The kernel's root, or {@link FrameMapper#NONE}. */
  @Mfn
  long kernel() {
    return kernel;
  }

  /** The user programs' root, or {@link FrameMapper#NONE}. */
  @Mfn
  long user() {
    return user;
  }

  boolean isInKernel() {
    return inKernel;
  }

  /**
   * Gives the vCPU the root that it begins with ({@code arch_set_info_guest}).
   *
   * @return what the frame's validation answers
   */
  Errno begin(@Mfn long root) {
    Errno typed = take(root);
    if (typed.isOk()) {
      adopt(root);
    }
    return typed;
  }

  /** The same, with both references taken already. */
  void adopt(@Mfn long root) {
    kernel = root;
    offerM2p(root);
    vcpu.vcpu().registers().cr3 = inHardware(root);
  }

  /** What the hardware's CR3 has to be. */
  private @Maddr long inHardware(@Mfn long root) {
    if (!vcpu.domain().isCompat()) {
      return Addresses.mfnToMaddr(root);
    }
    PagingPool pool = host.domain().pool();
    compat = compat == NONE ? pool.allocate() : compat;
    if (compat == PagingPool.NONE) {
      throw new BackendUnavailableException("no memory for a 32-bit guest's level-4 table");
    }
    @Maddr long slot = Addresses.mfnToMaddr(compat);
    vcpu.domain()
        .tables()
        .writes()
        .store(slot, Long.BYTES, Addresses.mfnToMaddr(root) | COMPAT_ENTRY);
    return slot;
  }

  Errno newKernelRoot(@Mfn long root) {
    Errno before = vcpu.work().finish(vcpu.frames());
    if (!before.isOk()) {
      return before;
    }
    if (root == kernel) { // also when the call goes on that stopped while it put the old one
      load();
      return Errno.OK;
    }
    Errno typed = take(root);
    if (!typed.isOk()) {
      return typed;
    }
    vcpu.descriptors().dropLdt();
    offerM2p(root);
    @Mfn long old = kernel;
    kernel = root;
    load();
    return give(old);
  }

  /**
   * Changes the user programs' root.
   *
   * @param root 0 for none
   */
  Errno newUserRoot(@Mfn long root) {
    @Mfn long wanted = root == 0 ? NONE : root;
    if (wanted == user) {
      return Errno.OK;
    }
    if (wanted != NONE) {
      Errno typed = take(wanted);
      if (!typed.isOk()) {
        return typed;
      }
      if (vcpu.domain().hidesM2p()) {
        write256(wanted, 0);
      }
    }
    @Mfn long old = user;
    user = wanted;
    return give(old);
  }

  /** The guest's kernel goes on: after an exception, or a system call of a user program. */
  void enterKernel() {
    if (!inKernel) {
      inKernel = true;
      change(kernel);
    }
  }

  /**
   * A user program goes on.
   *
   * @return false if there is no root for it
   */
  boolean enterUser() {
    if (user == NONE) {
      return false;
    }
    if (inKernel) {
      inKernel = false;
      change(user);
    }
    return true;
  }

  /** Both roots are given back; the vCPU runs no more. To be called again until it is OK. */
  Errno destroy() {
    Errno done = vcpu.work().finish(vcpu.frames());
    if (done.isOk() && kernel != NONE) {
      @Mfn long old = kernel;
      kernel = NONE;
      done = give(old);
    }
    if (done.isOk() && user != NONE) {
      @Mfn long old = user;
      user = NONE;
      done = give(old);
    }
    if (done.isOk() && compat != NONE) {
      host.domain().pool().free(compat);
      compat = NONE;
    }
    return done;
  }

  private void change(@Mfn long root) {
    vcpu.vcpu().registers().cr3 = inHardware(root);
    host.rootChanged(vcpu.number());
  }

  /** The kernel's root into the hardware, and everything cached out of it. */
  private void load() {
    change(kernel);
    host.flush(vcpu.number());
  }

  private Errno take(@Mfn long root) {
    PagingWork work = vcpu.work();
    PvPagetables tables = vcpu.domain().tables();
    long type = FrameWords.of(FrameType.table(tables.format().top()));
    Errno typed = tables.entries().getFrameAndType(root, type, false, false, work);
    return typed == Errno.EINTR ? Errno.ERESTART : typed;
  }

  private Errno give(@Mfn long old) {
    if (old == NONE) {
      return Errno.OK;
    }
    FrameTable frames = vcpu.frames();
    @Mfn long alone = Addresses.mfn(FrameTable.NO_PARENT);
    Errno put = frames.putType(old, alone, false, vcpu.work());
    if (put.isOk()) {
      frames.put(old);
      return put;
    }
    vcpu.work().defer(old, alone, put == Errno.ERESTART);
    return Errno.ERESTART;
  }

  /** Kernels read the machine-to-physical table in slot 256, once they run on the table. */
  private void offerM2p(@Mfn long root) {
    if (!vcpu.domain().hidesM2p() && !vcpu.domain().isCompat()) {
      write256(root, host.machineToPhysicalEntry());
    }
  }

  private void write256(@Mfn long root, long entry) {
    @Maddr long slot = Addresses.mfnToMaddr(root, EntryRules.FIRST_XEN_SLOT * (long) Long.BYTES);
    vcpu.domain().tables().writes().store(slot, Long.BYTES, entry);
  }
}
