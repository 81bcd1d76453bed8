// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.Resolution;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/**
 * The hypercalls of one vCPU, by their numbers (public/xen.h): those that concern pagetables. Any
 * other number is answered as one that does not exist.
 */
final class Hypercalls {
  /** Numbers. */
  enum CallNumber {
    MMU_UPDATE(1),
    SET_GDT(2),
    UPDATE_DESCRIPTOR(10),
    MEMORY_OP(12),
    MULTICALL(13),
    UPDATE_VA_MAPPING(14),
    GRANT_TABLE_OP(20),
    VM_ASSIST(21),
    UPDATE_VA_MAPPING_OTHERDOMAIN(22),
    IRET(23),
    MMUEXT_OP(26);

    private static final Map<Integer, CallNumber> BY_NUMBER = new HashMap<>();

    static {
      for (CallNumber it : values()) {
        BY_NUMBER.put(it.number, it);
      }
    }

    private final int number;

    CallNumber(int number) {
      this.number = number;
    }

    /** As a guest has it in RAX. */
    int number() {
      return number;
    }
  }

  /** Those that there are for 32-bit guests too. */
  private static final Set<CallNumber> COMPAT =
      EnumSet.of(
          CallNumber.MMU_UPDATE,
          CallNumber.MMUEXT_OP,
          CallNumber.UPDATE_VA_MAPPING,
          CallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN,
          CallNumber.VM_ASSIST);

  private static final int RETURN_FRAME_LONGS = 9;
  private static final int RETURN_CS = 5;

  private final PvVcpu vcpu;
  private final Call call = new Call();
  private final Batch mmuUpdate;
  private final Batch mmuExtended;
  private final VaMapping vaMapping;
  private final MemoryCalls memory;
  private final GrantCalls grants;
  private final Multicall multicall;
  private final long[] frame = new long[RETURN_FRAME_LONGS];
  private boolean inMulticall;

  /** The bits that an argument has. */
  private final long arguments;

  Hypercalls(PvVcpu vcpu) {
    this.vcpu = vcpu;
    arguments = vcpu.domain().isCompat() ? 0xffffffffL : -1;
    mmuUpdate = new MmuUpdate(vcpu);
    mmuExtended = new MmuExtended(vcpu);
    vaMapping = new VaMapping(vcpu);
    memory = new MemoryCalls(vcpu);
    grants = new GrantCalls(vcpu, vcpu.domain().grantRules());
    multicall = new Multicall(vcpu, this);
  }

  /** The operation that the vCPU came out of is a hypercall. */
  Resolution handle(OperationBlock block) {
    int at = block.next();
    vcpu.beginCall();
    call.set(block.operands()[at]);
    for (int i = 0; i < OperationBlock.ARGUMENTS; i++) {
      call.argument(i, block.argument(at, i) & arguments);
    }
    inMulticall = false;
    long answer = runOne(call);
    if (vcpu.vcpu().domain().crashReason() != null) {
      return Resolution.CRASH;
    }
    if (!call.isToBeMadeAgain()) {
      block.results()[at] = answer;
      return Resolution.EMULATED;
    }
    for (int i = 0; i < OperationBlock.ARGUMENTS; i++) {
      block.argument(at, i, call.argument(i));
    }
    vcpu.countPreempted();
    return Resolution.FIXED;
  }

  /** Makes one call, or a part of it. */
  long runOne(Call it) {
    CallNumber number = CallNumber.BY_NUMBER.get(it.number());
    if (number == null || vcpu.domain().isCompat() && !COMPAT.contains(number)) {
      vcpu.work().because(PvRule.COMMAND);
      return vcpu.answer(Errno.ENOSYS);
    }
    return switch (number) {
      case MMU_UPDATE -> mmuUpdate.run(it);
      case MMUEXT_OP -> mmuExtended.run(it);
      case UPDATE_VA_MAPPING -> vaMapping(it, false);
      case UPDATE_VA_MAPPING_OTHERDOMAIN -> vaMapping(it, true);
      case SET_GDT ->
          vcpu.answer(vcpu.descriptors().setGdt(Addresses.gva(it.argument(0)), it.argument(1)));
      case UPDATE_DESCRIPTOR ->
          vcpu.answer(vcpu.descriptors().update(Addresses.maddr(it.argument(0)), it.argument(1)));
      case MEMORY_OP -> memory.run(it);
      case GRANT_TABLE_OP -> grants.run(it);
      case VM_ASSIST ->
          vcpu.answer(vcpu.domain().assist(it.argument(0), it.argument(1), vcpu.work()));
      case MULTICALL -> multicall(it);
      case IRET -> returnFromInterrupt(it);
    };
  }

  /** A 32-bit guest's entry takes two arguments. */
  private long vaMapping(Call it, boolean foreign) {
    vcpu.work().forgetReason();
    boolean halves = vcpu.domain().isCompat();
    long entry = it.argument(1) | (halves ? it.argument(2) << Integer.SIZE : 0);
    int next = halves ? 3 : 2;
    int owner = foreign ? (int) it.argument(next + 1) & 0xffff : Batch.DOMID_SELF;
    Errno result = vaMapping.run(Addresses.gva(it.argument(0)), entry, it.argument(next), owner);
    return result == Errno.ERESTART ? it.again() : vcpu.answer(result);
  }

  private long multicall(Call it) {
    if (inMulticall) {
      vcpu.work().because(PvRule.ARGUMENT);
      return vcpu.answer(Errno.EINVAL); // one in another: no
    }
    inMulticall = true;
    long answer = multicall.run(it);
    inMulticall = false;
    return answer;
  }

  /**
   * Goes on where the frame says that the first argument points to: RAX, R11, RCX, flags, RIP, CS,
   * RFLAGS, RSP, SS. A code segment of privilege 3 is a user program's.
   */
  private long returnFromInterrupt(Call it) {
    if (!vcpu.copy().read(Addresses.gva(it.argument(0)), RETURN_FRAME_LONGS, frame)) {
      vcpu.domain().host().crash("iret with a stack that cannot be read");
    } else if ((frame[RETURN_CS] & 3) == 3 && !vcpu.roots().enterUser()) {
      vcpu.domain().host().crash("iret to a user program without pagetables for it");
    }
    return frame[0];
  }
}
