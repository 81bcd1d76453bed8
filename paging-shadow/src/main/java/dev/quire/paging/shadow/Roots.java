// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import java.util.Arrays;

/**
 * The shadows that a vCPU's hardware root consists of ({@code sh_update_cr3}): one, or one for each
 * PDPTE register of a PAE guest. A root that lies in no memory of the guest's has none: the
 * hardware finds an empty table, and the fault that follows is the guest's.
 */
final class Roots {
  private static final int MOST = Registers.PDPTES;

  private final ShadowDomain domain;
  private final ShadowMode mode;
  private final long[] tables = new long[MOST];
  private int[] slots = new int[MOST];
  private int[] next = new int[MOST];
  private ShadowKind kind = ShadowKind.L2_32;
  private int roles = ShadowKind.ROLE_PSE;

  Roots(ShadowDomain domain, ShadowMode mode) {
    this.domain = domain;
    this.mode = mode;
  }

  /**
   * Takes the shadows of the tables that the registers point to, makes them if need be, and gives
   * them to the hardware. The new ones are taken before the old ones go. The lock is held.
   *
   * @return false if there is no room for them; then the hardware has an empty table
   */
  boolean load(PagingContext guest, int guestLevels) {
    domain.counts().add(ShadowEvent.ROOT_LOADS);
    locate(guest, guestLevels);
    ShadowKind newKind = kindOf(guestLevels);
    int newRoles = rolesOf(mode.vcpu().registers(), guestLevels);
    boolean all = true;
    for (int i = 0; i < MOST; i++) {
      next[i] = take(newKind, newRoles, Addresses.mfn(tables[i]));
      all &= next[i] != ShadowPages.NONE || tables[i] == FrameMapper.NONE;
    }
    drop();
    int[] old = slots;
    slots = next;
    next = old;
    kind = newKind;
    roles = newRoles;
    give(mode.vcpu().control().registers(), mode.vcpu().registers());
    return all;
  }

  private static ShadowKind kindOf(int guestLevels) {
    return switch (guestLevels) {
      case 1, 2 -> ShadowKind.L2_32;
      case 3 -> ShadowKind.L2_PAE;
      case 4 -> ShadowKind.L4_64;
      default -> ShadowKind.L5_64;
    };
  }

  private static int rolesOf(Registers registers, int guestLevels) {
    boolean pse = guestLevels == 1 || (registers.cr4 & Cr4.PSE) != 0;
    boolean nx = (registers.efer & Efer.NXE) != 0;
    return (pse ? ShadowKind.ROLE_PSE : 0) | (nx ? ShadowKind.ROLE_NX : 0);
  }

  /** Finds the tables in the machine. */
  private void locate(PagingContext guest, int guestLevels) {
    Arrays.fill(tables, FrameMapper.NONE);
    if (guestLevels == 1) {
      tables[0] = domain.own().unpaged();
    } else if (guestLevels != 3) {
      tables[0] = tableAt(guest.root());
    } else {
      for (int i = 0; i < MOST; i++) {
        long entry = guest.pdptes()[i];
        tables[i] = (entry & PageEntry.P) == 0 ? FrameMapper.NONE : tableAt(entry);
      }
    }
  }

  private @Mfn long tableAt(long address) {
    long frame = (address & PageEntry.FRAME) >>> Addresses.PAGE_SHIFT;
    return domain.guest().toMachine(Addresses.gfn(frame));
  }

  private int take(ShadowKind ofKind, int ofRoles, @Mfn long table) {
    if (table == FrameMapper.NONE) {
      return ShadowPages.NONE;
    }
    ShadowGraph graph = domain.graph();
    int type = ofKind.type(ofRoles);
    int slot = graph.find(type, ShadowHash.ofTable(table));
    if (slot == ShadowPages.NONE) {
      if (!domain.unshadowing().makeRoom(ofKind.pages())) {
        return ShadowPages.NONE;
      }
      domain.sync().promoting(table);
      if (!graph.isTable(table) && domain.writeAccess().remove(table, ofKind.level(), mode)) {
        domain.flush();
      }
      if (ofKind == ShadowKind.L4_64) {
        graph.anotherRoot(mode.vcpu().domain().vcpus());
      }
      slot = graph.make(type, ShadowHash.ofTable(table));
    } else {
      domain.counts().add(ShadowEvent.ROOTS_KEPT);
    }
    graph.get(slot);
    graph.pin(slot);
    return slot;
  }

  private void give(Registers hardware, Registers guest) {
    if (kind.level() >= 4) {
      long pcid = (hardware.cr4 & Cr4.PCIDE) != 0 ? guest.cr3 & Cr3.PCID : 0;
      hardware.cr3 = page(slots[0], 0) | pcid;
      return;
    }
    hardware.cr3 = 0; // what the hardware would read there it is given in registers
    boolean wide = kind.pages() > 1;
    for (int i = 0; i < MOST; i++) {
      hardware.pdptes[i] = page(slots[wide ? 0 : i], wide ? i : 0) | PageEntry.P;
    }
  }

  private @Maddr long page(int slot, int page) {
    @Mfn
    long mfn = slot == ShadowPages.NONE ? domain.own().empty() : domain.pages().mfn(slot, page);
    return Addresses.mfnToMaddr(mfn);
  }

  /** Refers to none any more. */
  void drop() {
    for (int i = 0; i < MOST; i++) {
      if (slots[i] != ShadowPages.NONE) {
        domain.graph().put(slots[i]);
        slots[i] = ShadowPages.NONE;
      }
    }
  }

  /** Empties every entry of the roots in use ({@code sh_unhook_mappings}). */
  void empty() {
    for (int slot : slots) {
      if (slot != ShadowPages.NONE) {
        domain.graph().clear(slot);
      }
    }
  }

  /** How many of the roots a shadow is. */
  int uses(int slot) {
    int uses = 0;
    for (int root : slots) {
      uses += root == slot ? 1 : 0;
    }
    return uses;
  }

  private int number(@Gva long linear) {
    return kind == ShadowKind.L2_PAE ? (int) (linear >>> 30) & MOST - 1 : 0;
  }

  /** The shadow of the root table for an address, or {@link ShadowPages#NONE}. */
  int rootFor(@Gva long linear) {
    return slots[number(linear)];
  }

  /** The root table for an address. */
  @Mfn
  long table(@Gva long linear) {
    return Addresses.mfn(tables[number(linear)]);
  }

  /** What kind the roots are. */
  ShadowKind kind() {
    return kind;
  }

  /** How the vCPU reads its tables, see {@link ShadowKind}. */
  int roles() {
    return roles;
  }
}
