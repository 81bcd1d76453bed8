// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;
import dev.quire.paging.shadow.PageFaults.Answer;
import org.jspecify.annotations.Nullable;

/**
 * Faults that can be answered without a walk of the guest's tables: those on a {@link MagicEntry},
 * which only has RSVD in its error code, and the next write to the table that was last written in
 * the hardware's place, by the same address. Xen reads the entry without its lock, by a linear map;
 * here the lock guards the numbers by which shadows are found.
 */
final class FastFaults {
  private static final int SUPERVISOR_WRITE = ErrorCode.P | ErrorCode.W;

  private final ShadowDomain domain;
  private final ShadowPages pages;
  private final ShadowCounts counts;

  FastFaults(ShadowDomain domain) {
    this.domain = domain;
    this.pages = domain.pages();
    this.counts = domain.counts();
  }

  /**
   * Answers a fault, if what is known suffices.
   *
   * @param access flags of {@link Access}
   * @param code the hardware's error code
   * @return null if it does not
   */
  @Nullable Answer handle(ShadowMode mode, @Gva long linear, long access, int code) {
    LastWrite last = mode.lastWrite();
    boolean again = last.isAt(linear);
    if (again && code != SUPERVISOR_WRITE) {
      last.forget();
    }
    boolean magic = (code & ErrorCode.RSVD) != 0;
    return magic || again && code == SUPERVISOR_WRITE ? locked(mode, linear, access, magic) : null;
  }

  private @Nullable Answer locked(ShadowMode mode, @Gva long linear, long access, boolean magic) {
    domain.lock();
    try {
      Answer answer = magic ? magic(mode, linear, access) : again(mode.lastWrite());
      if (answer != null) {
        counts.add(ShadowEvent.FAULTS);
        counts.add(answer.event());
      }
      return answer;
    } finally {
      domain.unlock();
    }
  }

  private @Nullable Answer magic(ShadowMode mode, @Gva long linear, long access) {
    long place = mode.placeOf(linear);
    if (place == ShadowPages.NO_PARENT || isOutOfSync(ShadowPages.placeSlot(place))) {
      return null;
    }
    long entry = pages.entry(ShadowPages.placeSlot(place), ShadowPages.placeIndex(place));
    if (MagicEntry.isDevice(entry)) {
      counts.add(ShadowEvent.FAST_MMIO);
      return Answer.EMULATE_MMIO;
    }
    if (entry == MagicEntry.NOT_PRESENT) {
      counts.add(ShadowEvent.FAST_NOT_PRESENT);
      int told = Rights.errorCode(mode.asSeen(access), mode.rights());
      mode.fault(Translation.fault(FaultRule.NOT_PRESENT, 1, told));
      return Answer.INJECT;
    }
    return entry == 0 ? null : Answer.FIXED; // another vCPU has made it
  }

  private boolean isOutOfSync(int slot) {
    @Mfn long table = Addresses.mfn(ShadowHash.frame(pages.key(slot)));
    return !pages.kind(slot).isSplinter() && domain.staleTables().isOutOfSync(table);
  }

  private @Nullable Answer again(LastWrite last) {
    @Mfn long table = last.table();
    if (!domain.graph().isTable(table) || domain.staleTables().isOutOfSync(table)) {
      last.forget();
      return null;
    }
    counts.add(ShadowEvent.FAST_TABLE_WRITES);
    return Answer.EMULATE_TABLE_WRITE;
  }
}
