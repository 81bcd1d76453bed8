// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;

/**
 * {@code grant_table_op}: as far as frames and their mappings are concerned. The arguments are the
 * command, a list of operations and how many; each operation ends with a status of its own, and the
 * call with an error only if the list cannot be read or written. A call that stops goes on with the
 * rest of its list.
 */
final class GrantCalls {
  private static final int MAP = 0;
  private static final int UNMAP = 1;
  private static final int SETUP_TABLE = 2;
  private static final int TRANSFER = 4;
  private static final int QUERY_SIZE = 6;
  private static final int UNMAP_AND_REPLACE = 7;

  private static final int MAP_LONGS = 4;
  private static final int LONGS = 3;
  private static final int QUERY_LONGS = 2;

  /** Where the status is, 2 bytes. */
  private static final int MAP_STATUS = 18;

  private static final int UNMAP_STATUS = 20;
  private static final int TRANSFER_STATUS = 16;
  private static final int SETUP_STATUS = 8;
  private static final int QUERY_STATUS = 12;

  private final PvVcpu vcpu;
  private final Grants grants;
  private final GrantTransfer transfers;
  private final long[] op = new long[MAP_LONGS];

  GrantCalls(PvVcpu vcpu, GrantRules rules) {
    this.vcpu = vcpu;
    grants = new Grants(vcpu, rules);
    transfers = new GrantTransfer(vcpu);
  }

  long run(Call call) {
    vcpu.work().forgetReason();
    int command = (int) call.argument(0);
    int count = (int) call.argument(2);
    if (count < 0) {
      return refuse(PvRule.ARGUMENT, Errno.EINVAL);
    }
    return switch (command) {
      case MAP -> each(call, MAP_LONGS);
      case TRANSFER -> each(call, LONGS);
      case UNMAP, UNMAP_AND_REPLACE -> unmap(call, command == UNMAP_AND_REPLACE);
      case SETUP_TABLE, QUERY_SIZE ->
          count == 1 ? table(call, command) : refuse(PvRule.ARGUMENT, Errno.EINVAL);
      default -> refuse(PvRule.COMMAND, Errno.ENOSYS);
    };
  }

  private long refuse(PvRule rule, Errno error) {
    vcpu.work().because(rule);
    return vcpu.answer(error);
  }

  private long fault() {
    return refuse(PvRule.POINTER, Errno.EFAULT);
  }

  private static @Gva long at(Call call, int index, int longs) {
    return Addresses.gva(call.argument(1) + (long) index * longs * Long.BYTES);
  }

  private static long goOn(Call call, int done, int longs) {
    return call.again(
        call.argument(0), at(call, done, longs), (int) call.argument(2) - (long) done, 0);
  }

  /** Tells the guest; a refusal is counted by its rule. */
  private boolean tell(@Gva long operation, int offset, GrantStatus status) {
    if (!status.isOkay()) {
      vcpu.countRefusal();
    }
    vcpu.work().forgetReason();
    return vcpu.copy()
        .write(Addresses.advance(operation, offset), Short.BYTES, status.number() & 0xffff);
  }

  private long each(Call call, int longs) {
    int count = (int) call.argument(2);
    for (int done = 0; done < count; done++) {
      if (done > 0 && vcpu.work().mustYield()) {
        return goOn(call, done, longs);
      }
      @Gva long here = at(call, done, longs);
      if (!vcpu.copy().read(here, longs, op) || !(longs == MAP_LONGS ? map(here) : give(here))) {
        return fault();
      }
    }
    return 0;
  }

  private boolean map(@Gva long here) {
    GrantStatus status =
        grants.map(op[0], (int) op[1], (int) (op[1] >>> Integer.SIZE), (int) op[2] & 0xffff);
    boolean told = tell(here, MAP_STATUS, status);
    if (status.isOkay()) {
      told &= vcpu.copy().write(Addresses.advance(here, 20), Integer.BYTES, grants.handle());
      long address = Addresses.mfnToMaddr(grants.frame());
      told &= vcpu.copy().write(Addresses.advance(here, 24), Long.BYTES, address);
    }
    return told;
  }

  private boolean give(@Gva long here) {
    GrantStatus status =
        transfers.transfer(op[0], (int) op[1] & 0xffff, (int) (op[1] >>> Integer.SIZE));
    return tell(here, TRANSFER_STATUS, status);
  }

  private long unmap(Call call, boolean replace) {
    int count = (int) call.argument(2);
    for (int done = 0; done < count; ) {
      if (done > 0 && vcpu.work().mustYield()) {
        return goOn(call, done, LONGS);
      }
      int end = Math.min(count, done + Grants.BATCH);
      boolean reached = true;
      for (; done < end && reached; done++) {
        reached = unmap(at(call, done, LONGS), replace);
      }
      grants.complete();
      if (!reached) {
        return fault();
      }
    }
    return 0;
  }

  private boolean unmap(@Gva long here, boolean replace) {
    if (!vcpu.copy().read(here, LONGS, op)) {
      return false;
    }
    long device = replace ? 0 : op[1];
    long other = replace ? op[1] : 0;
    return tell(here, UNMAP_STATUS, grants.unmap(op[0], device, other, (int) op[2]));
  }

  // ---- the table itself ----

  private long table(Call call, int command) {
    @Gva long here = Addresses.gva(call.argument(1));
    boolean setup = command == SETUP_TABLE;
    if (!vcpu.copy().read(here, setup ? LONGS : QUERY_LONGS, op)) {
      return fault();
    }
    PvDomain domain = vcpu.domain();
    int whose = domain.frameOwner((int) op[0] & 0xffff);
    PvDomain of = whose == domain.id() ? domain : domain.peer(whose);
    GrantStatus status = GrantStatus.OKAY;
    if (whose == FrameTable.NOBODY || of == null) {
      vcpu.work().because(PvRule.NO_SUCH_DOMAIN);
      status = GrantStatus.BAD_DOMAIN;
    } else if (!domain.hasPowerOver(whose)) {
      vcpu.work().because(PvRule.NOT_PRIVILEGED);
      status = GrantStatus.PERMISSION_DENIED;
    } else {
      status = setup ? setUp(of.grants()) : sizes(of.grants(), here);
    }
    return tell(here, setup ? SETUP_STATUS : QUERY_STATUS, status) ? 0 : fault();
  }

  private GrantStatus setUp(GrantTable table) {
    int wanted = (int) (op[0] >>> Integer.SIZE);
    if (wanted < 0 || !table.grow(wanted, vcpu.work())) {
      vcpu.work().because(PvRule.GRANT_TABLE);
      return GrantStatus.GENERAL_ERROR;
    }
    GrantStatus status = GrantStatus.OKAY;
    for (int index = 0; index < wanted; index++) {
      @Gva long to = Addresses.gva(op[2] + (long) index * Long.BYTES);
      if (!vcpu.copy().write(to, Long.BYTES, table.sharedFrame(index))) {
        vcpu.work().because(PvRule.POINTER);
        status = GrantStatus.BAD_VIRT_ADDR;
      }
    }
    return status;
  }

  private GrantStatus sizes(GrantTable table, @Gva long here) {
    boolean told =
        vcpu.copy().write(Addresses.advance(here, 4), Integer.BYTES, table.size())
            && vcpu.copy().write(Addresses.advance(here, 8), Integer.BYTES, GrantTable.MOST_FRAMES);
    if (!told) {
      vcpu.work().because(PvRule.POINTER);
    }
    return told ? GrantStatus.OKAY : GrantStatus.BAD_VIRT_ADDR;
  }
}
