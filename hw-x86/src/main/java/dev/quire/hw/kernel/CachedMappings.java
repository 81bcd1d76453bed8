// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PagingFormat;
import org.jspecify.annotations.Nullable;

/**
 * All that one CPU caches, and which invalidation drops what (SDM vol. 3, 29.4.3; APM vol. 2,
 * 15.16):
 *
 * <pre>
 *                                            linear, combined              guest-physical
 *   INVLPG, INVPCID, MOV to CR of a guest    of its VPID, by any root      -
 *   INVVPID, INVLPGA                         of the VPID or ASID           -
 *   INVEPT                                   made by way of the root       of the root
 *   reuse of an ASID                         of the ASID                   of the ASID (NPT)
 *   page fault                               the page, what leads to it    -
 *   nested fault                             what leads to the address     what leads to the address
 * </pre>
 *
 * Linear and combined mappings are in the TLBs and paging-structure caches; a number of {@link
 * ContextTags} tells whose they are. What is asked for a context that is not current is done for
 * all of that context, which is more and always allowed.
 */
public final class CachedMappings {
  private final StructureCaches structures;
  private final AddressSpaces spaces;
  private final @Nullable TranslationCache cache;
  private final NestedCaches nested;
  private final ContextTags tags = new ContextTags();

  private int vpid;

  /** The number of the VPID and the EPT root together. */
  private int tag;

  /** Whether CR0.PG = 1: what is current to the TLBs is the current tag. */
  private boolean paged;

  /**
   * The caches of a CPU.
   *
   * @param structures its paging-structure caches
   * @param spaces numbers of address spaces, shared with {@code cache}
   * @param cache its TLBs, null for a CPU that caches nothing
   * @param nested its caches of guest-physical mappings
   */
  public CachedMappings(
      StructureCaches structures,
      AddressSpaces spaces,
      @Nullable TranslationCache cache,
      NestedCaches nested) {
    this.structures = structures;
    this.spaces = spaces;
    this.cache = cache;
    this.nested = nested;
  }

  /** Paging-structure caches of linear or combined mappings. */
  StructureCaches structures() {
    return structures;
  }

  /** The TLBs, null without caching. */
  @Nullable TranslationCache cache() {
    return cache;
  }

  /** The caches of guest-physical mappings. */
  NestedCaches nested() {
    return nested;
  }

  /** Numbers of contexts; for audits. */
  ContextTags tags() {
    return tags;
  }

  /**
   * Makes a context current.
   *
   * @param withPaging whether CR0.PG = 1
   * @return its number
   */
  int enter(int ofVpid, NestedPaging paging, boolean withPaging) {
    if (tags.isFull(ofVpid, paging)) {
      dropAll();
      tags.clear();
    }
    vpid = ofVpid;
    paged = withPaging;
    tag = tags.of(ofVpid, paging);
    if (paging.isOn()) {
      nested.enter(ofVpid, paging);
    }
    return tag;
  }

  /** Makes a PCID of the current context current. */
  void enterSpace(int pcid) {
    if (!spaces.admit(tag, pcid)) {
      dropAll();
    }
    structures.space(spaces.find(tag, pcid));
  }

  /** Whether a PCID of the current context is current. */
  boolean isCurrent(int pcid) {
    return spaces.find(tag, pcid) == structures.space();
  }

  // ---- invalidation ----

  /** Everything. */
  void dropAll() {
    structures.dropAll();
    nested.dropAll();
    if (cache != null) {
      cache.dropAll();
    }
  }

  /** Everything, and the order in which it was used: after training. */
  void reset() {
    structures.reset();
    nested.reset();
    if (cache != null) {
      cache.reset();
    }
  }

  /** Linear and combined mappings of a VPID or ASID, by way of whatever root. */
  void dropTag(int ofVpid) {
    dropContext(ofVpid);
    for (int i = 0; i < tags.size(); i++) {
      if (tags.vpid(i) == ofVpid) {
        dropContext(tags.at(i));
      }
    }
  }

  /** Linear and combined mappings of every VPID. */
  void dropTags() {
    structures.dropAll();
    if (cache != null) {
      cache.dropAll();
    }
  }

  /** Combined and guest-physical mappings made by way of an EPT root. */
  void dropRoot(@Maddr long root) {
    nested.dropRoot(root);
    for (int i = 0; i < tags.size(); i++) {
      if (tags.isOf(i, root)) {
        dropContext(tags.at(i));
      }
    }
  }

  /** Combined and guest-physical mappings made by way of any EPT root. */
  void dropRoots() {
    nested.dropRoots();
    for (int i = 0; i < tags.size(); i++) {
      dropContext(tags.at(i));
    }
  }

  /** Everything of an ASID: with NPT, guest-physical mappings too. */
  void dropAsid(int asid) {
    nested.dropAsid(asid);
    dropTag(asid);
  }

  /**
   * What leads to an address whose nested walk was refused.
   *
   * @param pcid the current one
   * @param linear the address that was walked for
   * @param format of the guest's tables
   */
  void dropPath(int pcid, @Gva long linear, PagingFormat format, NestedDimension dimension) {
    nested.dropPath(dimension.faultAddress, dimension.rules().format());
    TranslationCache current = currentCache();
    if (paged) {
      structures.dropPath(linear, format);
    }
    if (current != null) {
      current.dropPage(pcid, linear, true);
    }
  }

  /**
   * What a page fault invalidates: translations of the page and structure entries for the address,
   * of the current PCID (SDM vol. 3, 4.10.4.1). Global ones go too, as they may; pieces of a large
   * page stay if they are of other addresses.
   */
  void dropFaulting(@Gva long linear, PagingFormat format) {
    structures.dropPath(linear, format);
    TranslationCache current = currentCache();
    if (current != null) {
      current.drop(Operation.access(0, linear));
      current.drop(Operation.access(Access.FETCH, linear));
    }
  }

  private void dropContext(int number) {
    long space = spaces.findVpid(number);
    if (space != 0) { // else it was never current
      structures.dropVpid(space);
      if (cache != null) {
        cache.dropTag(number);
      }
    }
  }

  /** Everything of the current VPID, which is what a guest can drop. */
  void dropCurrentTag() {
    dropTag(vpid);
  }

  /**
   * What the current VPID has by way of other roots: what a guest invalidates goes there too. It is
   * seldom anything.
   */
  private void dropOthers() {
    if (tag != vpid) {
      dropContext(vpid);
    }
    for (int i = 0; i < tags.size(); i++) {
      if (tags.vpid(i) == vpid && tags.at(i) != tag) {
        dropContext(tags.at(i));
      }
    }
  }

  /** The TLBs, if what is current to them is the current tag; else they hold nothing of it. */
  private @Nullable TranslationCache currentCache() {
    return paged ? cache : null;
  }

  /** What is not global, of the current VPID. */
  void dropNonGlobal() {
    dropOthers();
    structures.dropVpid(spaces.findVpid(tag));
    TranslationCache current = currentCache();
    if (current != null) {
      current.dropNonGlobal();
    }
  }

  /** What is not global of one PCID, of the current VPID. */
  void dropPcid(int pcid) {
    dropOthers();
    structures.dropSpace(spaces.find(tag, pcid));
    TranslationCache current = currentCache();
    if (current != null) {
      current.dropPcid(pcid);
    }
  }

  /** One page of one PCID, of the current VPID; its structure entries go whatever their address. */
  void dropPage(int pcid, @Gva long linear, boolean globals) {
    dropOthers();
    structures.dropSpace(spaces.find(tag, pcid));
    TranslationCache current = currentCache();
    if (current == null) {
      return;
    }
    if (!nested.hasPieces()) {
      current.dropPage(pcid, linear, globals);
    } else if (globals) {
      current.dropTag(tag); // as processors do that hold pieces of a guest's large page
    } else {
      current.dropPcid(pcid);
    }
  }

  /** What is not global, of any VPID. */
  void dropNonGlobal(int ofVpid) {
    if (ofVpid == vpid && paged) {
      dropNonGlobal();
    } else {
      dropTag(ofVpid);
    }
  }

  /** One page of any VPID or ASID, for the hypervisor: every PCID of it, by way of any root. */
  void dropLinear(int ofVpid, @Gva long linear) {
    if (ofVpid != vpid || !paged) {
      dropTag(ofVpid);
      return;
    }
    for (int slot = 1; slot <= spaces.pcids(); slot++) {
      dropPage(spaces.pcid(slot), linear, true);
    }
  }
}
