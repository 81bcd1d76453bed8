// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.x86.PageEntry;
import org.jspecify.annotations.Nullable;

/**
 * The mitigation of the L1 terminal fault: a CPU that has it loads what an entry points to
 * speculatively although the entry is not present. A guest that writes such an entry is run on
 * other tables than its own from then on, and there such entries are empty ({@code
 * pv_l1tf_check_l1e} to {@code l4e}).
 */
final class TerminalFaults {
  private final FrameTable frames;
  private final @Nullable DomainHost host;

  /**
   * Judges entries of one domain.
   *
   * @param host null where there are frames and no domain that runs
   */
  TerminalFaults(FrameTable frames, @Nullable DomainHost host) {
    this.frames = frames;
    this.host = host;
  }

  /**
   * Whether an entry must not come into a table yet: it names memory although it is not present,
   * and the domain still runs on its own tables. Then it is to be tried again.
   *
   * @param entry one that is not present
   */
  boolean mustWait(long entry, int level, PagingWork work) {
    if (host == null || !namesMemory(entry, level) || !host.forceMitigation()) {
      return false;
    }
    work.because(PvRule.TERMINAL_FAULT);
    return true;
  }

  /** Above the last level the page-size bit makes the address that of a large page. */
  private boolean namesMemory(long entry, int level) {
    long frame = EntryRules.target(entry);
    boolean large = level > 1 && (entry & PageEntry.PS) != 0;
    return large || frame != 0 && frame != FrameMapper.NONE && frame < frames.end();
  }
}
