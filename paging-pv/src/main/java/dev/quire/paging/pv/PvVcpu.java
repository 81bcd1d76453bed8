// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;
import org.jspecify.annotations.Nullable;

/** What the guest interface keeps for one vCPU. Used by the thread that runs it. */
final class PvVcpu {
  private final PvDomain domain;
  private final Vcpu vcpu;
  private final Patience patience;
  private final PagingWork work;
  private final GuestCopy copy;
  private final Flushes flushes;
  private final Roots roots;
  private final DescriptorTables descriptors;
  private final long[] refusals = new long[PvRule.values().length];
  private long calls;
  private long preempted;

  PvVcpu(PvDomain domain, Vcpu vcpu, Patience patience) {
    this.domain = domain;
    this.vcpu = vcpu;
    this.patience = patience;
    work = new PagingWork(patience);
    copy = new GuestCopy(vcpu, domain.tables().writes(), domain.tables().format());
    flushes = new Flushes(this);
    roots = new Roots(this);
    descriptors = new DescriptorTables(this);
  }

  PvDomain domain() {
    return domain;
  }

  Vcpu vcpu() {
    return vcpu;
  }

  int number() {
    return vcpu.number();
  }

  FrameTable frames() {
    return domain.host().frames();
  }

  PagingWork work() {
    return work;
  }

  GuestCopy copy() {
    return copy;
  }

  Flushes flushes() {
    return flushes;
  }

  Roots roots() {
    return roots;
  }

  DescriptorTables descriptors() {
    return descriptors;
  }

  /** A hypercall begins or goes on: it may work for a while. */
  void beginCall() {
    patience.renew();
    work.forgetReason();
    calls++;
  }

  void countPreempted() {
    preempted++;
  }

  long calls() {
    return calls;
  }

  long preempted() {
    return preempted;
  }

  long refusals(PvRule rule) {
    return refusals[rule.ordinal()];
  }

  /** The answer of a call, with the reason counted if it is a refusal. */
  long answer(Errno result) {
    if (!result.isOk() && work.reason() instanceof PvRule rule) {
      refusals[rule.ordinal()]++;
    }
    return -result.number();
  }

  /** Counts the refusal of one operation of many, by its reason. */
  void countRefusal() {
    answer(Errno.EINVAL);
  }

  /** Why the last operation was refused; null if it was not. */
  @Nullable PvRule refusal() {
    return work.reason() instanceof PvRule rule ? rule : null;
  }

  // ---- the kernel's tables, as through linear mappings ----

  /**
   * Where the level-1 entry of an address lies, by the kernel's tables as they are now.
   *
   * @return {@link FrameMapper#NONE} if no level-1 table maps it
   */
  @Maddr
  long level1Slot(@Gva long linear) {
    @Mfn long table = roots.kernel();
    if (!copy.isGuests(linear) || table == FrameMapper.NONE) {
      return Addresses.maddr(FrameMapper.NONE);
    }
    PhysicalMemory memory = vcpu.domain().machine().memory();
    for (int level = domain.tables().format().top(); level > 1; level--) {
      long entry = memory.frameToRead(table)[index(linear, level)];
      if ((entry & (PageEntry.P | PageEntry.PS)) != PageEntry.P) {
        return Addresses.maddr(FrameMapper.NONE);
      }
      table = EntryRules.target(entry);
    }
    return Addresses.mfnToMaddr(table, (long) index(linear, 1) << 3);
  }

  /** The level-1 entry of an address; 0 if there is none. */
  long level1Entry(@Gva long linear) {
    @Maddr long slot = level1Slot(linear);
    return slot == FrameMapper.NONE ? 0 : vcpu.domain().machine().memory().load(slot, Long.BYTES);
  }

  private int index(@Gva long linear, int level) {
    int bits = Integer.numberOfTrailingZeros(domain.slots());
    return (int) (linear >>> Addresses.PAGE_SHIFT + bits * (level - 1)) & domain.slots() - 1;
  }
}
