// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Pagetables;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Builds a dump's frame table anew, by the code that guests' hypercalls go through: every frame is
 * given to its owner, every pin is made, everything that Xen holds is taken; all other references
 * must come from validating what the pagetables contain.
 */
final class DumpAudit {
  private static final int ENTRIES = 512;

  /**
   * A level-1 entry that maps another domain's frame: set by a call of its own, as it was on Xen.
   */
  private record Foreign(@Mfn long table, int slot, long entry) {}

  private final Dump dump;
  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final Map<Integer, Pagetables> domains = new TreeMap<>();
  private final PagingWork work = new PagingWork(() -> false);
  private final List<String> refusals = new ArrayList<>();
  private final List<Foreign> foreign = new ArrayList<>();

  DumpAudit(Dump dump, FrameTable frames, PhysicalMemory memory, GuestInterface pv) {
    this.dump = dump;
    this.frames = frames;
    this.memory = memory;
    for (int domain : dump.pvDomains()) {
      domains.put(domain, pv.pagetables(frames, memory, policy(domain), domain));
    }
  }

  /** What the dump cannot say, and a promotion that Xen has allowed before need not ask again. */
  private GuestPolicy policy(int domain) {
    return new GuestPolicy() {
      @Override
      public boolean mayMapDevice(@Mfn long mfn) {
        return true;
      }

      @Override
      public boolean controlsMemoryTypes() {
        return true;
      }

      @Override
      public boolean isPrivilegedOver(int owner) {
        return domain == 0;
      }

      @Override
      public boolean isExternal(int owner) {
        return dump.externalDomains().contains(owner);
      }
    };
  }

  /** Builds everything. */
  AuditFindings run() {
    assign();
    load();
    pin();
    hold();
    mapForeign();
    return AuditFindings.of(dump, frames, memory, refusals);
  }

  private void assign() {
    long flags = FrameWords.ALLOCATED | FrameWords.XEN_HEAP | FrameWords.EXTRA;
    for (int mfn = 0; mfn < dump.frames(); mfn++) {
      if (dump.owner(mfn) != FrameTable.NOBODY && FrameWords.count(dump.countWord(mfn)) != 0) {
        frames.assign(Addresses.mfn(mfn), dump.owner(mfn), dump.countWord(mfn) & flags);
      }
    }
  }

  private void load() {
    dump.tables()
        .forEach(
            (number, content) -> {
              @Mfn long mfn = Addresses.mfn(number);
              boolean level1 = FrameWords.type(dump.typeWord(number)) == FrameType.L1;
              for (int slot = 0; slot < ENTRIES; slot++) {
                if (level1 && isForeign(content[slot], dump.owner(number))) {
                  foreign.add(new Foreign(mfn, slot, content[slot]));
                } else {
                  memory.store(entryAt(mfn, slot), Long.BYTES, content[slot]);
                }
              }
            });
  }

  private static @Maddr long entryAt(@Mfn long mfn, int slot) {
    return Addresses.mfnToMaddr(mfn, (long) slot << 3);
  }

  private boolean isForeign(long entry, int owner) {
    int target = dump.owner((entry & PageEntry.FRAME) >>> Addresses.PAGE_SHIFT);
    return (entry & PageEntry.P) != 0
        && target != owner
        && target != FrameTable.DOM_IO
        && target != FrameTable.NOBODY;
  }

  private void pin() {
    for (int number = 0; number < dump.frames(); number++) {
      Pagetables domain = domains.get(dump.owner(number));
      long type = dump.typeWord(number);
      if (domain != null && (type & FrameWords.PINNED) != 0) {
        @Mfn long mfn = Addresses.mfn(number);
        int level = FrameWords.type(type).level();
        note(domain.pin(mfn, level, work), "pinning frame 0x%x at level %d", number, level);
        work.finish(frames);
      }
    }
  }

  private void hold() {
    for (Dump.Held held : dump.held()) {
      @Mfn long mfn = Addresses.mfn(held.mfn());
      boolean lent =
          held.kind().equals("xenheap_share"); // its general reference is the assignment's
      for (int i = 0; !lent && i < held.general(); i++) {
        boolean taken = frames.get(mfn, dump.owner(held.mfn()));
        note(taken ? Errno.OK : Errno.EINVAL, "frame 0x%x, held as %s", held.mfn(), held.kind());
      }
      for (int i = 0; i < held.types(); i++) {
        Errno typed = frames.getType(mfn, FrameWords.of(typeOf(held.kind())), work);
        note(typed, "frame 0x%x as %s", held.mfn(), held.kind());
      }
    }
  }

  private static FrameType typeOf(String kind) {
    return switch (kind) {
      case "guest_table", "guest_table_user" -> FrameType.L4;
      case "gdt", "ldt" -> FrameType.SEG_DESC;
      default -> FrameType.WRITABLE;
    };
  }

  private void mapForeign() {
    for (Foreign it : foreign) {
      if (FrameWords.typeCount(frames.typeWord(it.table())) == 0) {
        memory.store(entryAt(it.table(), it.slot()), Long.BYTES, it.entry());
        continue; // no pagetable now: what it holds is data
      }
      int owner = dump.owner((it.entry() & PageEntry.FRAME) >>> Addresses.PAGE_SHIFT);
      Pagetables domain = domains.get(frames.owner(it.table()));
      if (domain != null) {
        Errno set = domain.update(entryAt(it.table(), it.slot()), it.entry(), false, owner, work);
        note(set, "frame 0x%x, entry %d of a frame of domain %d", it.table(), it.slot(), owner);
      }
    }
  }

  private void note(Errno result, String what, Object... arguments) {
    if (!result.isOk()) {
      refusals.add(String.format(what, arguments) + ": " + result);
    }
  }
}
