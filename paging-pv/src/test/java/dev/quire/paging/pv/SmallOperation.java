// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.x86.PageEntry;
import java.util.ArrayList;
import java.util.List;

/**
 * One thing that a vCPU of a small world can do.
 *
 * @param vcpu who
 * @param kind what
 * @param command of the call
 * @param frame that it is about
 * @param slot in the frame
 * @param value the new entry, or the second argument
 * @param preemptAt the question from which on the call must stop; -1 for never
 */
record SmallOperation(
    int vcpu, Kind kind, int command, int frame, int slot, long value, int preemptAt) {
  /** Kinds. */
  enum Kind {
    /** A store by the guest's own instruction. */
    STORE,
    /** The pending call goes on. */
    RESUME,
    /** One request of {@code mmu_update}. */
    MMU_UPDATE,
    /** One operation of {@code mmuext_op}. */
    MMUEXT,
    /** {@code set_gdt}. */
    SET_GDT,
    /** The domain maps what it grants to itself: the flags are the command, the entry the value. */
    GRANT_MAP,
    /** It unmaps that: the handle is the command, the entry the value. */
    GRANT_UNMAP
  }

  static final long RO = PageEntry.P | PageEntry.US;
  static final long RW = RO | PageEntry.RW;
  private static final int UNPIN = 4;
  private static final int NEW_BASEPTR = 5;
  private static final int FLUSH_LOCAL = 6;
  private static final int FLUSH_ALL = 10;
  private static final int NEW_USER_BASEPTR = 15;
  private static final int CLEAR = 16;
  private static final int COPY = 17;

  static long entry(long frame, long flags) {
    return frame << 12 | flags;
  }

  /** Everything that two vCPUs can do in a world of so many frames, with so many interruptions. */
  static List<SmallOperation> all(int frames, int interruptions) {
    List<SmallOperation> all = new ArrayList<>();
    for (int vcpu = 0; vcpu < SmallHost.VCPUS; vcpu++) {
      for (int frame = 0; frame < frames; frame++) {
        updates(all, vcpu, frame, frames);
        for (int stop = -1; stop < interruptions; stop++) {
          for (int command = 0; command <= NEW_BASEPTR; command++) {
            all.add(new SmallOperation(vcpu, Kind.MMUEXT, command, frame, 0, 0, stop));
          }
        }
        all.add(new SmallOperation(vcpu, Kind.MMUEXT, NEW_USER_BASEPTR, frame, 0, 0, -1));
        all.add(new SmallOperation(vcpu, Kind.MMUEXT, CLEAR, frame, 0, 0, -1));
        all.add(new SmallOperation(vcpu, Kind.MMUEXT, COPY, frame, 0, (frame + 1) % frames, -1));
        all.add(new SmallOperation(vcpu, Kind.SET_GDT, 0, frame, 1, 0, -1));
      }
      all.add(new SmallOperation(vcpu, Kind.SET_GDT, 0, 0, 0, 0, -1));
      all.add(new SmallOperation(vcpu, Kind.MMUEXT, FLUSH_LOCAL, 0, 0, 0, -1));
      all.add(new SmallOperation(vcpu, Kind.MMUEXT, FLUSH_ALL, 0, 0, 0, -1));
      for (int stop = -1; stop < interruptions; stop++) {
        all.add(new SmallOperation(vcpu, Kind.RESUME, 0, 0, 0, 0, stop));
      }
    }
    return all;
  }

  /** Grants of each frame to the domain itself, mapped and unmapped by each entry. */
  static List<SmallOperation> grants(int frames) {
    List<SmallOperation> grants = new ArrayList<>();
    int host = GrantFlags.HOST | GrantFlags.CONTAINS_PTE;
    for (int table = 0; table < frames; table++) {
      for (int slot = 0; slot < SmallHost.SLOTS; slot += SmallHost.SLOTS - 1) {
        long entry = (long) table << 12 | (long) slot << 3;
        for (int frame = 0; frame < frames; frame++) {
          grants.add(new SmallOperation(0, Kind.GRANT_MAP, host, frame, 0, entry, -1));
          int readOnly = host | GrantFlags.READ_ONLY;
          grants.add(new SmallOperation(0, Kind.GRANT_MAP, readOnly, frame, 0, entry, -1));
        }
        for (int handle = 0; handle < 2; handle++) {
          grants.add(new SmallOperation(0, Kind.GRANT_UNMAP, handle, table, 0, entry, -1));
        }
      }
    }
    for (int frame = 0; frame < frames; frame++) {
      grants.add(new SmallOperation(1, Kind.GRANT_MAP, GrantFlags.DEVICE, frame, 0, 0, -1));
      grants.add(new SmallOperation(1, Kind.GRANT_UNMAP, 0, frame, 0, 0, -1));
    }
    return grants;
  }

  /** The two vCPUs do not differ in what they store or update, so one of them does it. */
  private static void updates(List<SmallOperation> all, int vcpu, int frame, int frames) {
    for (int slot = 0; vcpu == 0 && slot < SmallHost.SLOTS; slot += SmallHost.SLOTS - 1) {
      all.add(new SmallOperation(vcpu, Kind.MMU_UPDATE, 0, frame, slot, 0, -1));
      all.add(new SmallOperation(vcpu, Kind.MMU_UPDATE, 0, frame, slot, 0, 0));
      for (int target = 0; target < frames; target++) {
        long writable = entry(target, RW);
        all.add(new SmallOperation(vcpu, Kind.MMU_UPDATE, 0, frame, slot, writable, -1));
        all.add(new SmallOperation(vcpu, Kind.MMU_UPDATE, 0, frame, slot, writable, 1));
        all.add(new SmallOperation(vcpu, Kind.MMU_UPDATE, 2, frame, slot, entry(target, RO), -1));
        all.add(new SmallOperation(1, Kind.STORE, 0, frame, slot, writable, -1));
      }
    }
  }
}
