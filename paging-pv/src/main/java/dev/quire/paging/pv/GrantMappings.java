// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;

/**
 * The entries by which a domain maps grants ({@code create_grant_pv_mapping} and {@code
 * replace_grant_pv_mapping}). They are entries of level-1 tables like others; only that what they
 * stand for has been taken already, and is given back by whoever unmaps.
 */
final class GrantMappings {
  private final PvVcpu vcpu;
  private final PhysicalMemory memory;
  private final GrantRules rules;
  private long replaced;

  GrantMappings(PvVcpu vcpu, GrantRules rules) {
    this.vcpu = vcpu;
    this.rules = rules;
    memory = vcpu.vcpu().domain().machine().memory();
  }

  /**
   * Makes the entry.
   *
   * @param address linear, or the machine address of the entry, as the flags say
   */
  GrantStatus create(long address, @Mfn long frame, int flags) {
    @Maddr long slot = slot(address, flags);
    long made =
        vcpu.domain()
            .tables()
            .format()
            .adjusted(Addresses.mfnToMaddr(frame) | GrantFlags.entry(flags), 1);
    if (slot == FrameMapper.NONE || !exchange(slot, 0, 0, made)) {
      return GrantStatus.GENERAL_ERROR;
    }
    putReplaced();
    return GrantStatus.OKAY;
  }

  /**
   * Empties the entry, or fills it with that of another address, which becomes empty.
   *
   * @param other the other linear address; 0 for none
   */
  GrantStatus replace(long address, @Mfn long frame, long other, int flags) {
    long moved = 0;
    if (other != 0) {
      if ((flags & GrantFlags.CONTAINS_PTE) != 0 || !exchange(slot(other, 0), 0, 0, 0)) {
        return GrantStatus.GENERAL_ERROR;
      }
      moved = replaced;
    }
    @Maddr long slot = slot(address, flags);
    long expected = Addresses.mfnToMaddr(frame) | GrantFlags.entry(flags);
    if (exchange(slot, rules.compared(), expected, moved)) {
      return GrantStatus.OKAY;
    }
    replaced = moved; // what it stood for is still to be given back
    putReplaced();
    return GrantStatus.GENERAL_ERROR;
  }

  private void putReplaced() {
    vcpu.domain().tables().entries().putLevel1(replaced, vcpu.work());
  }

  private @Maddr long slot(long address, int flags) {
    if ((flags & GrantFlags.CONTAINS_PTE) == 0) {
      @Maddr long slot = vcpu.level1Slot(Addresses.gva(address));
      if (slot == FrameMapper.NONE) {
        vcpu.work().because(PvRule.NO_LEVEL_1);
      }
      return slot;
    }
    if ((address & rules.misaligned()) != 0) {
      vcpu.work().because(PvRule.GRANT_ALIGNMENT);
      return Addresses.maddr(FrameMapper.NONE);
    }
    return Addresses.maddr(address);
  }

  /** Replaces the entry if those of its bits that are compared are as expected. */
  private boolean exchange(@Maddr long slot, long compared, long expected, long made) {
    EntryUpdate updates = vcpu.domain().tables().updates();
    @Mfn long table = Addresses.maddrToMfn(slot);
    if (slot == FrameMapper.NONE || !updates.lockLevel1(table, vcpu.work())) {
      return false;
    }
    replaced = memory.load(slot, Long.BYTES);
    boolean done = ((replaced ^ expected) & compared) == 0;
    if (!done) {
      vcpu.work().because(PvRule.GRANT_ENTRY);
    } else if (vcpu.domain().tables().writes().compareExchange(slot, replaced, made) != replaced) {
      vcpu.work().because(PvRule.CHANGED_MEANWHILE);
      done = false;
    }
    updates.unlockLevel1(table);
    return done;
  }
}
