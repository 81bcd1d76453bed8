// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.PageEntry;

/**
 * Root tables of processes that are about to end, as far as the guest tells ({@code
 * sh_pagetable_dying}): what programs could reach by them goes at once, since the guest is about to
 * take it apart entry by entry. Once it has told of one, nobody guesses any more.
 */
final class DyingTables {
  private final ShadowDomain domain;

  /** By machine frame: 1 for a table of a process that ends. */
  private final FrameInts dying = new FrameInts();

  private boolean told;

  DyingTables(ShadowDomain domain) {
    this.domain = domain;
  }

  /** Whether the guest ever told. */
  boolean isTold() {
    return told;
  }

  /** Whether a frame is such a root, as long as it has a shadow. */
  boolean contains(@Mfn long mfn) {
    return dying.get(mfn) != 0;
  }

  /** A frame has become a table, so it is another process's. */
  void promoted(@Mfn long mfn) {
    if (told && contains(mfn)) {
      dying.set(mfn, 0);
    }
  }

  /**
   * A process ends.
   *
   * @param kind of the roots of the vCPU that tells; its tables are of the same format
   * @param root what the process has in CR3
   */
  void add(ShadowKind kind, @Gpa long root) {
    told = true;
    domain.counts().add(ShadowEvent.DYING_TABLES);
    boolean flush = false;
    if (kind != ShadowKind.L2_PAE) {
      flush = end(kind, table(root));
    } else {
      for (int i = 0; i < Registers.PDPTES; i++) {
        flush |= end(kind, level2(Addresses.advance(root, (long) i * Long.BYTES)));
      }
    }
    domain.flushIf(flush);
  }

  private @Mfn long table(@Gpa long address) {
    return domain.guest().toMachine(Addresses.gpaToGfn(address));
  }

  private @Mfn long level2(@Gpa long place) {
    @Mfn long table = table(place);
    if (table == FrameMapper.NONE) {
      return table;
    }
    long offset = Addresses.pageOffset(place);
    long entry = domain.memory().load(Addresses.mfnToMaddr(table, offset), Long.BYTES);
    boolean present = (entry & PageEntry.P) != 0;
    return present
        ? table(Addresses.gpa(entry & PageEntry.FRAME))
        : Addresses.mfn(FrameMapper.NONE);
  }

  /** Answers whether a shadow of it lost entries. */
  private boolean end(ShadowKind kind, @Mfn long mfn) {
    boolean found = false;
    for (int type = 2 * kind.ordinal();
        mfn != FrameMapper.NONE && type < 2 * kind.ordinal() + 2;
        type++) {
      int slot = domain.graph().find(type, ShadowHash.ofTable(mfn));
      if (slot != ShadowPages.NONE) {
        dying.set(mfn, 1);
        domain.graph().clearUser(slot);
        found = true;
      }
    }
    return found;
  }
}
