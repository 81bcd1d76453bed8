// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import org.jspecify.annotations.Nullable;

/** {@code mmuext_op}: pins, roots, flushes, the LDT, and pages to be cleared or copied. */
final class MmuExtended extends Batch {
  private static final int PIN_L1 = 0;
  private static final int PIN_L4 = 3;
  private static final int UNPIN = 4;
  private static final int NEW_BASEPTR = 5;
  private static final int TLB_FLUSH_LOCAL = 6;
  private static final int INVLPG_LOCAL = 7;
  private static final int TLB_FLUSH_MULTI = 8;
  private static final int INVLPG_MULTI = 9;
  private static final int TLB_FLUSH_ALL = 10;
  private static final int INVLPG_ALL = 11;
  private static final int FLUSH_CACHE = 12;
  private static final int SET_LDT = 13;
  private static final int NEW_USER_BASEPTR = 15;
  private static final int CLEAR_PAGE = 16;
  private static final int COPY_PAGE = 17;
  private static final int FLUSH_CACHE_GLOBAL = 18;
  private static final int MARK_SUPER = 19;
  private static final int UNMARK_SUPER = 20;

  private final PvDomain domain;
  private @Nullable PvDomain owner;

  MmuExtended(PvVcpu vcpu) {
    super(vcpu, 3, vcpu.domain().isCompat());
    domain = vcpu.domain();
  }

  @Override
  Errno begin(int foreign) {
    int id = domain.frameOwner(foreign & 0xffff);
    if (id == FrameTable.NOBODY) {
      return refuse(PvRule.NO_SUCH_DOMAIN, Errno.ESRCH);
    }
    owner = id == domain.id() ? domain : domain.peer(id);
    if (owner == null) {
      return refuse(PvRule.NOT_PV, Errno.EINVAL);
    }
    return domain.hasPowerOver(id) ? Errno.OK : refuse(PvRule.NOT_PRIVILEGED, Errno.EPERM);
  }

  private Errno refuse(PvRule rule, Errno error) {
    vcpu().work().because(rule);
    return error;
  }

  @Override
  Errno perform(long[] fields) {
    PvDomain of = owner == null ? domain : owner;
    int command = (int) fields[0];
    @Mfn long mfn = Addresses.mfn(fields[1]);
    return switch (command) {
      case PIN_L1, PIN_L1 + 1, PIN_L1 + 2, PIN_L4 ->
          of.tables().pin(mfn, command - PIN_L1 + 1, vcpu().work());
      case UNPIN -> of.tables().unpin(mfn, vcpu().work());
      case CLEAR_PAGE -> written(of.tables().clear(mfn, vcpu().work()));
      case COPY_PAGE -> written(of.tables().copy(mfn, Addresses.mfn(fields[2]), vcpu().work()));
      case MARK_SUPER, UNMARK_SUPER -> refuse(PvRule.WITHDRAWN, Errno.EOPNOTSUPP);
      default -> own(of, command, fields);
    };
  }

  private static Errno written(Errno result) {
    return result.isOk() ? result : Errno.EINVAL;
  }

  /** What a domain does to itself only. */
  private Errno own(PvDomain of, int command, long[] fields) {
    boolean known =
        command >= NEW_BASEPTR && command <= SET_LDT
            || command == NEW_USER_BASEPTR
            || command == FLUSH_CACHE_GLOBAL;
    if (!known) {
      return refuse(PvRule.COMMAND, Errno.ENOSYS);
    }
    if (of != domain) {
      return refuse(PvRule.NOT_PRIVILEGED, Errno.EPERM);
    }
    return switch (command) {
      case NEW_BASEPTR -> vcpu().roots().newKernelRoot(Addresses.mfn(fields[1]));
      case NEW_USER_BASEPTR ->
          domain.isCompat() // whose programs run on the kernel's root
              ? refuse(PvRule.COMMAND, Errno.EINVAL)
              : vcpu().roots().newUserRoot(Addresses.mfn(fields[1]));
      case SET_LDT -> vcpu().descriptors().setLdt(Addresses.gva(fields[1]), (int) fields[2]);
      case FLUSH_CACHE, FLUSH_CACHE_GLOBAL ->
          domain.host().policy().controlsMemoryTypes()
              ? Errno.OK // the model has no caches to write back
              : refuse(PvRule.CACHE_FLUSH, Errno.EACCES);
      default -> flush(command, Addresses.gva(fields[1]), fields[2]);
    };
  }

  private Errno flush(int command, @Gva long linear, long vcpus) {
    Flushes flushes = vcpu().flushes();
    return switch (command) {
      case TLB_FLUSH_LOCAL -> flushes.local();
      case INVLPG_LOCAL -> flushes.local(linear);
      case TLB_FLUSH_MULTI -> multi(flushes.some(Addresses.gva(vcpus)));
      case INVLPG_MULTI -> multi(flushes.some(Addresses.gva(vcpus), linear));
      case TLB_FLUSH_ALL -> flushes.all();
      case INVLPG_ALL -> flushes.all(linear);
      default -> refuse(PvRule.COMMAND, Errno.ENOSYS);
    };
  }

  /** A mask that cannot be read is a bad argument here. */
  private static Errno multi(Errno result) {
    return result.isOk() ? result : Errno.EINVAL;
  }

  @Override
  void end() {
    // each operation has flushed what it must
  }
}
