// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.hw.PhysicalMemory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The audit of a PV domain's frames: counts every reference again, from what validated tables
 * contain, pins, partial states and the owner's own references, and compares with what the frame
 * table says. No operation may be under way, and nobody but tables, pins and those told of may hold
 * anything.
 */
final class Recount {
  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final int slots;
  private final TableFormat format;
  private final Map<Long, Long> types = new HashMap<>();
  private final Map<Long, Long> general = new HashMap<>();
  private final List<String> wrong = new ArrayList<>();

  Recount(FrameTable frames, PhysicalMemory memory, int slots, TableFormat format) {
    this.format = format;
    this.frames = frames;
    this.memory = memory;
    this.slots = slots;
  }

  /** Somebody holds so many references more. */
  Recount held(@Mfn long mfn, int typeReferences, int generalReferences) {
    types.merge(mfn, (long) typeReferences, Long::sum);
    general.merge(mfn, (long) generalReferences, Long::sum);
    return this;
  }

  /**
   * Counts the frames from 0 on.
   *
   * @return a sentence for each count that is wrong, or entry that must not be
   */
  List<String> audit() {
    for (long mfn = 0; mfn < frames.end(); mfn++) {
      own(Addresses.mfn(mfn));
      contents(Addresses.mfn(mfn));
    }
    for (long mfn = 0; mfn < frames.end(); mfn++) {
      compare(Addresses.mfn(mfn));
    }
    return wrong;
  }

  private void own(@Mfn long mfn) {
    long type = frames.typeWord(mfn);
    if ((frames.countWord(mfn) & FrameWords.ALLOCATED) != 0) {
      boolean shared = (frames.countWord(mfn) & FrameWords.XEN_HEAP) != 0;
      held(mfn, shared ? 1 : 0, 1); // a page of the hypervisor's is shared as a writable one
    }
    if ((type & FrameWords.PINNED) != 0) {
      held(mfn, 1, 1);
    }
    if ((type & FrameWords.PARTIAL) != 0) {
      held(mfn, 1, 1);
    }
  }

  private void contents(@Mfn long mfn) {
    long word = frames.typeWord(mfn);
    FrameType type = FrameWords.type(word);
    boolean partial = (word & FrameWords.PARTIAL) != 0;
    if (!type.isTable() || !partial && (word & FrameWords.VALIDATED) == 0) {
      return;
    }
    int count = partial ? frames.validated(mfn) : slots;
    for (int slot = 0; slot < count; slot++) {
      if (format.isGuestSlot(word, slot, slots)) {
        entry(mfn, type.level(), slot, memory.frameToRead(mfn)[slot]);
      }
    }
    if (partial && frames.hasPartialChild(mfn)) {
      held(EntryRules.target(memory.frameToRead(mfn)[count]), 0, 1);
    }
  }

  private void entry(@Mfn long table, int level, int slot, long entry) {
    @Mfn long target = EntryRules.target(entry);
    if (!EntryRules.isPresent(entry) || level > 1 && target == table || target >= frames.end()) {
      return;
    }
    if (frames.owner(target) == FrameTable.DOM_IO) {
      return;
    }
    boolean counts = level > 1 || EntryRules.isWritable(entry);
    held(target, counts ? 1 : 0, 1);
    long wanted = level > 1 ? format.childType(level, slot) : FrameWords.of(FrameType.WRITABLE);
    long actual = frames.typeWord(target) & (FrameWords.TYPE | FrameWords.PAE_XEN_L2);
    boolean linear = level > 1 && FrameWords.type(actual) == FrameType.table(level);
    if (counts && actual != wanted && !linear) {
      wrong.add(
          String.format(
              "frame 0x%x at level %d maps frame 0x%x as %s, which is %s",
              table,
              level,
              target,
              FrameWords.type(wanted).title(),
              FrameWords.type(actual).title()));
    }
    if (linear && EntryRules.isWritable(entry)) {
      wrong.add(String.format("frame 0x%x contains its own level writable", table));
    }
  }

  private void compare(@Mfn long mfn) {
    long expectedType = types.getOrDefault(mfn, 0L);
    long expected = general.getOrDefault(mfn, 0L);
    long type = FrameWords.typeCount(frames.typeWord(mfn));
    long count = FrameWords.count(frames.countWord(mfn));
    if (type != expectedType || count != expected) {
      wrong.add(
          String.format(
              "frame 0x%x is %s; counted anew type %d, general %d",
              mfn,
              FrameWords.describe(frames.typeWord(mfn), frames.countWord(mfn)),
              expectedType,
              expected));
    }
  }
}
