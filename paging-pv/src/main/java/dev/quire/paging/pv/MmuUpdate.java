// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import org.jspecify.annotations.Nullable;

/**
 * {@code mmu_update}: changes entries of pagetables and of the machine-to-physical table. The
 * domain argument names whose frames are mapped in its lower half and, one higher, whose pagetables
 * are meant in its upper half.
 */
final class MmuUpdate extends Batch {
  private static final int COMMAND = 7;
  private static final int NORMAL = 0;
  private static final int MACHPHYS = 1;
  private static final int PRESERVE_AD = 2;
  private static final int NO_TRANSLATE = 3;

  private final PvDomain domain;

  /** Whose pagetables; null if that domain has none that are ours to change. */
  private @Nullable PvDomain tables;

  private int tableOwner;
  private int frameOwner;
  private boolean upperChanged;

  MmuUpdate(PvVcpu vcpu) {
    super(vcpu, 2, false);
    domain = vcpu.domain();
  }

  @Override
  Errno begin(int foreign) {
    upperChanged = false;
    int table = foreign >>> 16;
    tables = domain;
    tableOwner = domain.id();
    if (table != 0 && table - 1 != domain.id()) {
      tableOwner = table - 1;
      if (!domain.host().exists(tableOwner)) {
        return noSuchDomain();
      }
      tables = domain.peer(tableOwner);
    }
    frameOwner = domain.frameOwner(foreign & 0xffff);
    return frameOwner == FrameTable.NOBODY ? noSuchDomain() : Errno.OK;
  }

  private Errno noSuchDomain() {
    vcpu().work().because(PvRule.NO_SUCH_DOMAIN);
    return Errno.ESRCH;
  }

  @Override
  Errno perform(long[] fields) {
    int command = (int) fields[0] & COMMAND;
    return switch (command) {
      case NORMAL, PRESERVE_AD, NO_TRANSLATE ->
          table(fields[0] - command, fields[1], command == PRESERVE_AD);
      case MACHPHYS -> machineToPhysical(fields[0] >>> Addresses.PAGE_SHIFT, fields[1]);
      default -> {
        vcpu().work().because(PvRule.COMMAND);
        yield Errno.ENOSYS;
      }
    };
  }

  private Errno table(long pointer, long value, boolean preserve) {
    PvDomain of = tables;
    if (of == null) {
      vcpu().work().because(PvRule.NOT_PV);
      return Errno.EOPNOTSUPP;
    }
    if (!domain.hasPowerOver(frameOwner) || !domain.hasPowerOver(tableOwner)) {
      vcpu().work().because(PvRule.NOT_PRIVILEGED);
      return Errno.EPERM;
    }
    int change =
        of.tables()
            .updates()
            .change(Addresses.maddr(pointer), value, preserve, frameOwner, vcpu().work());
    upperChanged |= EntryUpdate.isUpper(change);
    return EntryUpdate.result(change);
  }

  private Errno machineToPhysical(long frame, long value) {
    @Mfn long mfn = Addresses.mfn(frame);
    if (tableOwner != domain.id() || !domain.hasPowerOver(frameOwner)) {
      vcpu().work().because(PvRule.NOT_PRIVILEGED);
      return Errno.EPERM;
    }
    FrameTable frames = vcpu().frames();
    if (mfn >= frames.end() || !frames.get(mfn, frameOwner)) {
      vcpu().work().because(PvRule.NOT_THE_DOMAINS_FRAME);
      return Errno.EINVAL;
    }
    domain.host().machineToPhysical(mfn, value);
    frames.put(mfn);
    return Errno.OK;
  }

  /**
   * Linear mappings may lead through what was changed, and the next call of a multicall may use
   * them (XSA-286): nobody keeps them.
   */
  @Override
  void end() {
    PvDomain of = tables;
    if (upperChanged && of != null) {
      of.host().flushAll();
    }
  }
}
