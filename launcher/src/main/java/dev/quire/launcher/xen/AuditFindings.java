// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.hw.PhysicalMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * How a dump's frame table and the one that was built anew compare.
 *
 * @param compared frames of domains, by domain and type, and how many of each agree
 * @param leftOver frames on whose type nobody relies, by that type: history, not compared
 * @param listed frames that are no domain's, by what they are: not compared
 * @param differences frames that differ, a line each
 * @param inProgress frames that differ because the dump was made while they were being changed
 * @param changed entries of pagetables that promotion rewrote
 * @param refusals what could not be built
 */
record AuditFindings(
    Map<String, Agreement> compared,
    Map<String, Long> leftOver,
    Map<String, Long> listed,
    List<String> differences,
    List<String> inProgress,
    List<String> changed,
    List<String> refusals) {

  /**
   * Frames of one domain and type.
   *
   * @param frames how many
   * @param equal how many agree
   */
  record Agreement(long frames, long equal) {
    private Agreement plus(boolean agrees) {
      return new Agreement(frames + 1, equal + (agrees ? 1 : 0));
    }
  }

  private static final long FIRST_XEN_SLOT = 256;
  private static final long LAST_XEN_SLOT = 271;

  /** What must agree while somebody relies on the type. */
  private static final long USED =
      FrameWords.TYPE
          | FrameWords.TYPE_COUNT
          | FrameWords.VALIDATED
          | FrameWords.PINNED
          | FrameWords.PARTIAL
          | FrameWords.LOCKED;

  boolean isClean() {
    return differences.isEmpty() && changed.isEmpty() && refusals.isEmpty();
  }

  static AuditFindings of(
      Dump dump, FrameTable frames, PhysicalMemory memory, List<String> refusals) {
    AuditFindings findings =
        new AuditFindings(
            new TreeMap<>(),
            new TreeMap<>(),
            new TreeMap<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            refusals);
    for (int mfn = 0; mfn < dump.frames(); mfn++) {
      findings.frame(dump, frames, Addresses.mfn(mfn));
    }
    dump.tables()
        .forEach((mfn, content) -> findings.table(Addresses.mfn(mfn), content, frames, memory));
    return findings;
  }

  private void frame(Dump dump, FrameTable frames, @Mfn long mfn) {
    int owner = dump.owner(mfn);
    long type = dump.typeWord(mfn);
    String title = FrameWords.type(type).title();
    if (owner == FrameTable.NOBODY && type == 0) {
      return;
    }
    if (owner < 0 || owner >= Dump.FIRST_PSEUDO_DOMAIN) {
      listed.merge(ownerTitle(owner) + " " + title, 1L, Long::sum);
      return;
    }
    long built = frames.typeWord(mfn);
    boolean used = FrameWords.typeCount(type) != 0;
    if (!used) {
      leftOver.merge(title, 1L, Long::sum);
    }
    boolean agrees =
        ((type ^ built) & (used ? USED : FrameWords.TYPE_COUNT)) == 0
            && FrameWords.count(dump.countWord(mfn)) == FrameWords.count(frames.countWord(mfn));
    String group = "domain " + owner + " " + title;
    compared.put(group, compared.getOrDefault(group, new Agreement(0, 0)).plus(agrees));
    if (!agrees) {
      String line =
          String.format(
              "frame 0x%x, domain %d: Xen %s; built anew %s",
              mfn,
              owner,
              FrameWords.describe(type, dump.countWord(mfn)),
              FrameWords.describe(built, frames.countWord(mfn)));
      (isInProgress(type) ? inProgress : differences).add(line);
    }
  }

  private static String ownerTitle(int owner) {
    return switch (owner) {
      case FrameTable.DOM_IO -> "dom_io";
      case FrameTable.DOM_XEN -> "dom_xen";
      default -> owner < 0 ? "no owner" : "domain " + owner;
    };
  }

  /** Xen itself says that somebody is at work on the frame. */
  private static boolean isInProgress(long type) {
    boolean unchecked = FrameWords.type(type).isTable() && (type & FrameWords.VALIDATED) == 0;
    return (type & (FrameWords.LOCKED | FrameWords.PARTIAL)) != 0 || unchecked;
  }

  private void table(@Mfn long mfn, long[] content, FrameTable frames, PhysicalMemory memory) {
    long built = frames.typeWord(mfn);
    if (FrameWords.typeCount(built) == 0) {
      return;
    }
    boolean level4 = FrameWords.type(built) == FrameType.L4;
    long[] now = memory.frameToRead(mfn);
    for (int slot = 0; slot < content.length; slot++) {
      boolean xens = level4 && slot >= FIRST_XEN_SLOT && slot <= LAST_XEN_SLOT;
      if (!xens && now[slot] != content[slot]) {
        changed.add(
            String.format(
                "frame 0x%x, entry %d: 0x%x became 0x%x", mfn, slot, content[slot], now[slot]));
      }
    }
  }
}
