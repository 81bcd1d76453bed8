// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Maddr;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.PagingFormat;
import org.jspecify.annotations.Nullable;

/**
 * The guest-physical mappings that one CPU caches: nested TLB and nested paging-structure caches.
 * With EPT they are those of a root (EP4TA) and of no VPID; with NPT those of an ASID, since AMD
 * has no other tag (SDM vol. 3, 29.4.1; APM vol. 2, 15.16). What a guest invalidates they do not
 * know.
 */
public final class NestedCaches {
  private final @Nullable SecondLevel tlb;
  private final StructureCaches structures;
  private final AddressSpaces spaces;
  private final ContextTags tags = new ContextTags();

  /** Whether a guest's large page may be in a TLB as several smaller ones. */
  private boolean pieces;

  private NestedCaches(
      @Nullable SecondLevel tlb, StructureCaches structures, AddressSpaces spaces) {
    this.tlb = tlb;
    this.structures = structures;
    this.spaces = spaces;
  }

  /** No caches. */
  public static NestedCaches none() {
    return new NestedCaches(null, StructureCaches.none(), new AddressSpaces());
  }

  /** The caches of a CPU. */
  public static NestedCaches of(TlbGeometry geometry, Counters counters, long seed) {
    TlbGeometry.Nested nested = geometry.nested();
    AddressSpaces spaces = new AddressSpaces();
    SecondLevel tlb =
        nested.tlbs().isEmpty()
            ? null
            : TlbParts.of(geometry, nested.tlbs(), spaces, counters, seed).secondLevel();
    StructureCaches structures =
        new StructureCaches(nested.structures(), geometry.replacement(), seed);
    return new NestedCaches(tlb, structures, spaces);
  }

  /** The nested TLB, null if there is none. */
  public @Nullable SecondLevel tlb() {
    return tlb;
  }

  /** The nested paging-structure caches; their space is the current one, of both. */
  public StructureCaches structures() {
    return structures;
  }

  /** Numbers of the spaces; for audits. */
  AddressSpaces spaces() {
    return spaces;
  }

  /** Numbers of the roots; for audits. */
  ContextTags tags() {
    return tags;
  }

  /**
   * Notes that a large page of the guest's lies on smaller nested ones: a TLB then keeps pieces of
   * it that do not know of each other.
   */
  public void notePieces() {
    pieces = true;
  }

  /** Whether there may be such pieces: then invalidating a page takes more than its one entry. */
  boolean hasPieces() {
    return pieces;
  }

  /** Makes other tables current. */
  void enter(int asid, NestedPaging paging) {
    int tagged = paging.format == NestedPaging.Format.EPT ? 0 : asid;
    if (tags.isFull(tagged, paging)) {
      dropMappings();
      tags.clear();
    }
    int number = tags.of(tagged, paging);
    if (!spaces.admit(number, 0)) {
      dropMappings();
    }
    structures.space(spaces.find(number, 0));
  }

  /** Everything, where everything goes from the TLBs too: there are no pieces then. */
  void dropAll() {
    pieces = false;
    dropMappings();
  }

  private void dropMappings() {
    structures.dropAll();
    if (tlb != null) {
      tlb.dropAll();
    }
  }

  /** Drops everything and is as it was made. */
  void reset() {
    pieces = false;
    structures.reset();
    if (tlb != null) {
      tlb.reset();
    }
  }

  /** What was made by way of NPT under an ASID. */
  void dropAsid(int asid) {
    drop(asid);
  }

  /** What was made by way of an EPT root. */
  void dropRoot(@Maddr long root) {
    for (int i = 0; i < tags.size(); i++) {
      if (tags.isOf(i, root)) {
        drop(tags.at(i));
      }
    }
  }

  /** What was made by way of any EPT root. */
  void dropRoots() {
    for (int i = 0; i < tags.size(); i++) {
      drop(tags.at(i));
    }
  }

  private void drop(int number) {
    long space = spaces.findVpid(number);
    if (space != 0) {
      structures.dropVpid(space);
      if (tlb != null) {
        tlb.dropVpid(space, true);
      }
    }
  }

  /** What translates one address, in the current space: a nested fault drops it. */
  void dropPath(long guestPhysical, PagingFormat format) {
    structures.dropPath(guestPhysical, format);
    if (tlb != null) {
      tlb.drop(guestPhysical & Key.PAGE | structures.space());
    }
  }
}
