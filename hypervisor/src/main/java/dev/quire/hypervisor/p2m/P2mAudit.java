// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.hw.Machine;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Recomputes from the tables alone what must hold ({@code audit_p2m} and more). Takes every mapping
 * apart into its frames where the M2P is asked, so its time is that of the domain's memory.
 */
final class P2mAudit {
  private final P2mCore core;
  private final P2mTables tables;
  private final EntryCodec codec;
  private final MachineToPhysical m2p;
  private final List<String> wrong = new ArrayList<>();
  private final TypeCounts counted = new TypeCounts();
  private final Set<Long> reachable = new HashSet<>();
  private final Map<Long, Long> referred = new HashMap<>();

  P2mAudit(P2mCore core) {
    this.core = core;
    this.tables = core.tables;
    this.codec = tables.codec();
    this.m2p = core.host.m2p();
  }

  List<String> run() {
    reach(tables.root());
    checkEntries(tables.root(), tables.levels(), Addresses.gfn(0), false);
    checkCounts();
    m2p.forEachOwned(core.host.domain(), this::checkOwned);
    referred.forEach(
        (mfn, count) -> {
          if (m2p.references(Addresses.mfn(mfn)) < count) {
            complain("frame 0x%x has fewer references than this p2m alone holds: %d", mfn, count);
          }
        });
    return wrong;
  }

  private void complain(String what, Object... values) {
    wrong.add("p2m: " + String.format(what, values));
  }

  private void reach(@Mfn long table) {
    if (!reachable.add(table)) {
      complain("table 0x%x is reached by two entries", table);
    }
    if (!m2p.isTable(table, core.host.domain())) {
      complain("table 0x%x is not memory for tables of the domain", table);
    }
  }

  /** What hardware would make of every entry, tables' entries included. */
  private void checkEntries(@Mfn long table, int level, @Gfn long base, boolean pending) {
    for (int i = 0; i < tables.entries(level); i++) {
      long entry = tables.read(tables.slotAt(table, i));
      @Gfn long first = Addresses.advance(base, i * tables.covers(level));
      boolean traps = pending || codec.isPending(entry);
      checkEntry(entry, level, first);
      if (codec.isTable(entry, level)) {
        reach(EntryCodec.tableOf(entry));
        checkEntries(EntryCodec.tableOf(entry), level - 1, first, traps);
      } else if (entry != EntryCodec.EMPTY) {
        checkMapping(first, level, entry, traps);
      }
    }
  }

  private void checkEntry(long entry, int level, @Gfn long first) {
    String illegal = codec.illegal(entry, level, tables.covers(level));
    if (!illegal.isEmpty()) {
      complain("entry %x of level %d for gfn 0x%x: %s", entry, level, first, illegal);
    }
    Machine machine = core.host.machine();
    long frame = entry & EntryCodec.FRAME;
    if (codec.isPresent(entry) && frame >>> machine.profile().physicalBits() != 0) {
      complain("entry %x for gfn 0x%x: an address that the machine does not have", entry, first);
    }
    if (entry != EntryCodec.EMPTY
        && !codec.isTable(entry, level)
        && level > tables.settings().shape().topPageLevel()) {
      complain("entry %x for gfn 0x%x: a mapping at level %d", entry, first, level);
    }
  }

  /** The tree is what the map says, but for what is pending and what hardware may write. */
  private void checkMapping(@Gfn long first, int level, long entry, boolean traps) {
    long frames = tables.covers(level);
    counted.add(EntryCodec.type(entry), frames);
    long what = codec.decode(entry, 0, level);
    long ideal = codec.encode(what, first, frames, level);
    if (!traps && ((entry ^ ideal) & ~codec.hardwareBits()) != 0) {
      complain("entry %x for gfn 0x%x should be %x", entry, first, ideal);
    }
    if (first + frames > core.end()) {
      complain("gfn 0x%x is mapped beyond the end 0x%x", first, core.end());
    }
    for (long i = 0; i < frames && P2mEntry.hasFrame(what); i++) {
      @Mfn long mfn = Addresses.advance(P2mEntry.mfn(what), i);
      checkFrame(Addresses.advance(first, i), mfn, P2mEntry.type(what));
    }
  }

  private void checkFrame(@Gfn long gfn, @Mfn long mfn, P2mType type) {
    int owner = m2p.owner(mfn);
    boolean ours = owner == core.host.domain();
    if (type == P2mType.MMIO_DIRECT) {
      if (core.host.machine().memory().isRam(Addresses.mfnToMaddr(mfn))) {
        complain("gfn 0x%x is a device, but frame 0x%x is memory", gfn, mfn);
      }
    } else if (type.is(Group.SPECIAL)) {
      referred.merge(mfn, 1L, Long::sum);
      if (ours) {
        complain("gfn 0x%x is %s, but frame 0x%x is the domain's own", gfn, type, mfn);
      }
    } else if (!ours) {
      complain("gfn 0x%x reaches frame 0x%x of domain %d", gfn, mfn, owner);
    } else if (type.is(Group.RAM)
        && m2p.gfn(mfn) != (type.is(Group.SHARED) ? MachineToPhysical.SHARED : gfn)) {
      complain("gfn 0x%x is frame 0x%x, whose gfn is 0x%x", gfn, mfn, m2p.gfn(mfn));
    }
  }

  private void checkOwned(@Mfn long mfn, @Gfn long gfn) {
    if (gfn != MachineToPhysical.NOT_MAPPED
        && gfn != MachineToPhysical.SHARED
        && P2mEntry.mfnOrNone(tables.get(gfn)) != mfn) {
      complain("frame 0x%x is gfn 0x%x, which is another frame", mfn, gfn);
    }
  }

  private void checkCounts() {
    for (P2mType type : P2mType.values()) {
      long stored = core.counts.of(type.ordinal());
      if (stored != counted.of(type.ordinal())) {
        complain("%d frames are %s, not %d", counted.of(type.ordinal()), type, stored);
      }
    }
    int all = reachable.size() + core.flushes.waiting();
    if (tables.frames() != all) {
      complain("%d tables are counted, %d are there", tables.frames(), all);
    }
  }
}
