// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.hw.Cpu;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A physical CPU as the hypervisor sees it: who runs on it, under which tag. Its lock is held for
 * as long as a vCPU runs, so vCPUs that share it take turns, on one thread or several.
 *
 * <p>A vCPU gets a tag when it comes to the CPU and keeps it while it stays, for there are only so
 * many. When they are used up, a new generation begins: everything cached goes, and the tags of the
 * old generation are void (Xen's {@code hvm_asid_handle_vmenter}). A tag is thus never another
 * vCPU's while anything cached under it can still be hit. Tag 0 is the host's.
 */
final class PhysicalCpu {
  /** So many guests' translations a CPU tells apart at a time. */
  static final int TAGS = 63;

  /** What stands in the control block while the vCPU has no tag: the host's own. */
  static final int NO_TAG = 0;

  /** The generation of a tag that is void. */
  static final long NO_GENERATION = 0;

  private final ReentrantLock lock = new ReentrantLock();
  private final Cpu cpu;
  private long generation = NO_GENERATION + 1;
  private int lastTag;

  PhysicalCpu(Cpu cpu) {
    this.cpu = cpu;
  }

  Cpu cpu() {
    return cpu;
  }

  /** Held while a vCPU runs, and by whoever wants none to. */
  ReentrantLock lock() {
    return lock;
  }

  /** Makes the vCPU's tag one that is its own on this CPU; the lock is held. */
  void admit(GuestVcpu vcpu) {
    if (vcpu.hasTagOf(this, generation)) {
      return;
    }
    if (lastTag == TAGS) {
      lastTag = 0;
      generation++;
      cpu.flush();
    }
    lastTag++;
    vcpu.takeTag(this, generation, lastTag);
  }
}
