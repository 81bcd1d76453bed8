// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Gva;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Translation;
import org.jspecify.annotations.Nullable;

/**
 * Looks into the TLBs and paging-structure caches for what could have spared a walk. The guest is
 * alone on its machine, so combined mappings are its own.
 */
final class LiveEntries implements TranslationCache.EntryVisitor {
  private final long wanted;
  private final int mostShift;
  private final long needed;
  private final int wantedTag;
  private final int wantedPcid;
  private boolean found;

  private LiveEntries(Vcpu vcpu, @Gva long linear, int mostShift, long needed) {
    wanted = linear;
    this.needed = needed;
    this.mostShift = mostShift;
    wantedTag = vcpu.control().tag();
    boolean pcids = (vcpu.registers().cr4 & Cr4.PCIDE) != 0;
    wantedPcid = pcids ? (int) (vcpu.registers().cr3 & Cr3.PCID) : 0;
  }

  /**
   * Whether a live entry holds what the walk of {@code linear} would read from a table entry that
   * covers 2^{@code shift} bytes.
   *
   * @param dirty whether the entry must let writes hit
   */
  static boolean cover(Vcpu vcpu, @Gva long linear, int shift, boolean dirty) {
    @Nullable TranslationCache cache = vcpu.domain().machine().cpu(0).translationCache();
    if (cache == null) {
      return false;
    }
    LiveEntries search = new LiveEntries(vcpu, linear, shift, dirty ? Translation.DIRTY : 0);
    cache.forEach(search);
    return search.found;
  }

  @Override
  public void entry(
      String where,
      int tag,
      int pcid,
      @Gva long linear,
      int shift,
      boolean fetch,
      long translation) {
    boolean ours =
        (tag == wantedTag || tag >= TranslationCache.COMBINED_TAGS)
            && (pcid == wantedPcid || (translation & Translation.GLOBAL) != 0);
    ours &= (translation & needed) == needed;
    found |= ours && shift <= mostShift && (linear ^ wanted) >>> shift == 0;
  }
}
