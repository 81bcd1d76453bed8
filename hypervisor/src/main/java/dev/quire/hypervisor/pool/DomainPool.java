// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.pool;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.hypervisor.p2m.FrameSource;
import dev.quire.hypervisor.p2m.MachineToPhysical;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Frames set apart for a domain's tables. They belong to the hypervisor and not to the guest, and
 * the M2P says so: no p2m accepts one. Lock order: after every other lock, as Xen's paging lock.
 */
public final class DomainPool implements PagingPool {
  /** Frames per vCPU in a pool of common size (libxl's rule for required paging memory). */
  private static final long PER_VCPU = 256;

  /** Frames per MiB of guest memory: one for the p2m, one for shadows. */
  private static final long PER_MIB = 2;

  private final FrameSource source;
  private final PhysicalMemory memory;
  private final MachineToPhysical owners;
  private final int domain;
  private @Mfn long[] spare = new long[64];
  private int spares;
  private long used;
  private boolean closing;

  /**
   * An empty pool; {@link #resize} fills it.
   *
   * @param source gives frames and takes them back
   * @param domain whose tables they will be
   */
  public DomainPool(
      FrameSource source, PhysicalMemory memory, MachineToPhysical owners, int domain) {
    this.source = source;
    this.memory = memory;
    this.owners = owners;
    this.domain = domain;
  }

  /** What a domain commonly needs. Unit: frames */
  public static long commonSize(int vcpus, long frames) {
    return PER_VCPU * vcpus + PER_MIB * Math.max(1, frames >>> 8);
  }

  @Override
  public synchronized @Mfn long allocate() {
    if (spares == 0) {
      return Addresses.mfn(NONE);
    }
    @Mfn long mfn = spare[--spares];
    owners.useTable(mfn, domain, true);
    used++;
    if (memory.isHome(mfn)) {
      Arrays.fill(memory.frame(mfn), 0);
    }
    return mfn;
  }

  @Override
  public synchronized void free(@Mfn long mfn) {
    owners.useTable(mfn, domain, false);
    used--;
    if (closing) {
      giveBack(mfn); // not to the pool of a dying domain, which nobody would empty again (XSA-410)
    } else {
      keep(mfn);
    }
  }

  private void keep(@Mfn long mfn) {
    if (spares == spare.length) {
      @Mfn long[] longer = new long[2 * spares];
      System.arraycopy(spare, 0, longer, 0, spares);
      spare = longer;
    }
    spare[spares++] = mfn;
  }

  private void giveBack(@Mfn long mfn) {
    owners.clearTable(mfn);
    source.release(mfn, 1);
  }

  @Override
  public synchronized long used() {
    return used;
  }

  @Override
  public synchronized long total() {
    return used + spares;
  }

  @Override
  public synchronized Errno resize(long frames) {
    if (frames < 0 || closing) {
      return Errno.EINVAL;
    }
    if (frames < used) {
      return Errno.EBUSY;
    }
    long before = total();
    while (total() < frames) {
      @Mfn long mfn = source.allocate(1);
      if (mfn == FrameMapper.NONE) {
        shrink(before);
        return Errno.ENOMEM;
      }
      owners.setTable(mfn, domain);
      keep(mfn);
    }
    shrink(frames);
    return Errno.OK;
  }

  private void shrink(long frames) {
    while (total() > frames) {
      giveBack(spare[--spares]);
    }
  }

  /**
   * Gives frames back for good, since the domain dies: those that are spare now, those in use as
   * they are freed.
   *
   * @param budget how many at most
   * @return ERESTART if some are left to give back
   */
  public synchronized Errno close(long budget) {
    closing = true;
    for (long left = budget; spares > 0; left--) {
      if (left == 0) {
        return Errno.ERESTART;
      }
      giveBack(spare[--spares]);
    }
    return Errno.OK;
  }

  /** Recomputes what should hold; a sentence for each thing that does not. */
  public synchronized List<String> audit() {
    List<String> wrong = new ArrayList<>();
    long marked = owners.tables(domain);
    if (marked != used + spares) {
      wrong.add(
          "pool: " + used + " used + " + spares + " free frames, but the M2P knows " + marked);
    }
    for (int i = 0; i < spares; i++) {
      if (!owners.isTable(spare[i], domain)) {
        wrong.add(String.format("pool: free frame 0x%x is not marked as a table", spare[i]));
      }
    }
    return wrong;
  }
}
