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
import dev.quire.api.domain.Pagetables;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Makes recorded hypercalls again, on frames in the state in which they were. Every page of the
 * pool is mapped once, in the direct map of the guest's kernel: a level-1 table of ours stands for
 * that.
 */
final class HypercallReplay {
  private static final int GUEST = 0;
  private static final long DIRECT_ENTRY = PageEntry.P | PageEntry.A | PageEntry.D | PageEntry.NX;

  private final HypercallStream stream;
  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final Pagetables guest;
  private final PagingWork work = new PagingWork(() -> false);
  private final long[] pool;
  private final @Mfn long direct;
  private final List<String> differences = new ArrayList<>();
  private long afterLeak;

  HypercallReplay(
      HypercallStream stream, FrameTable frames, PhysicalMemory memory, GuestInterface pv) {
    this.stream = stream;
    this.frames = frames;
    this.memory = memory;
    pool = stream.pool();
    guest = pv.pagetables(frames, memory, RecordedPolicy.of(stream), GUEST);
    direct = Addresses.mfn(unusedFrame());
  }

  private @Mfn long frame(int page) {
    return Addresses.mfn(pool[page]);
  }

  private long unusedFrame() {
    long frame = 1;
    while (isUsed(frame)) {
      frame++;
    }
    return frame;
  }

  private boolean isUsed(long frame) {
    for (long mfn : pool) {
      if (mfn == frame) {
        return true;
      }
    }
    return stream.header().objects("special").stream().anyMatch(it -> it.number("mfn") == frame);
  }

  StreamFindings run() {
    begin();
    for (XenRecord operation : stream.operations()) {
      String difference = operation(operation);
      if (difference != null) {
        differ(operation.number("s"), operation.place() + ": " + difference);
      }
    }
    for (XenRecord page : stream.last()) {
      finalState(page);
    }
    return new StreamFindings(
        stream.operations().size(),
        stream.last().size(),
        differences,
        stream.leakShows(),
        afterLeak);
  }

  private void differ(long at, String what) {
    if (at >= stream.leakShows()) {
      afterLeak++;
    } else {
      differences.add(what);
    }
  }

  // ---- the state at the beginning ----

  private void begin() {
    for (XenRecord special : stream.header().objects("special")) {
      if (special.has("frame") && special.object("frame").has("o")) {
        special(special);
      }
    }
    frames.assign(direct, GUEST, FrameWords.ALLOCATED);
    for (int page = 0; page < pool.length; page++) {
      frames.assign(frame(page), GUEST, FrameWords.ALLOCATED);
      long entry = Addresses.mfnToMaddr(frame(page)) | DIRECT_ENTRY | PageEntry.RW;
      memory.store(entryAt(direct, page), Long.BYTES, entry);
    }
    require(guest.pin(direct, 1, work), "the direct map");
  }

  /** A frame outside the pool that operations refer to. */
  private void special(XenRecord special) {
    XenRecord frame = special.object("frame");
    @Mfn long mfn = Addresses.mfn(special.number("mfn"));
    int owner = (int) frame.number("o");
    boolean heap = frame.text("cf").indexOf('H') >= 0;
    frames.assign(mfn, owner, FrameWords.ALLOCATED | (heap ? FrameWords.XEN_HEAP : 0));
    boolean currentRoot = owner == GUEST && special.text("note", "").isEmpty();
    if (currentRoot) {
      require(guest.pin(mfn, 4, work), "the guest's root");
    } else {
      frames.get(mfn, owner);
      require(frames.getType(mfn, FrameWords.of(FrameType.WRITABLE), work), "frame " + mfn);
    }
  }

  private static void require(Errno result, String what) {
    if (!result.isOk()) {
      throw new IllegalStateException(what + " cannot be set up: " + result);
    }
  }

  private static @Maddr long entryAt(@Mfn long mfn, long slot) {
    return Addresses.mfnToMaddr(mfn, slot << 3);
  }

  // ---- operations ----

  private int page(XenRecord record) {
    long page = record.number("p");
    if (page < 0 || page >= pool.length) {
      throw record.bad("p", "page " + page + " is not in the pool");
    }
    return (int) page;
  }

  private @Nullable String operation(XenRecord it) {
    int page = page(it);
    @Mfn long mfn = frame(page);
    String name = it.text("op");
    if (name.equals("WRITE")) {
      memory.store(entryAt(mfn, it.number("i")), Long.BYTES, it.hex("v"));
      return null;
    }
    Errno answer =
        switch (name) {
          case "MAP" -> map(page, it.number("rw") != 0);
          case "PIN" -> guest.pin(mfn, (int) it.number("level"), work);
          case "UNPIN" -> guest.unpin(mfn, work);
          case "CLEAR" -> guest.clear(mfn, work);
          case "UPDATE" -> {
            boolean preserve = it.number("cmd") == 2;
            yield guest.update(entryAt(mfn, it.number("i")), it.hex("v"), preserve, GUEST, work);
          }
          default -> throw it.bad("op", "no such operation: " + name);
        };
    work.finish(frames);
    return compare(it, mfn, answer);
  }

  private Errno map(int page, boolean writable) {
    long entry = Addresses.mfnToMaddr(frame(page)) | DIRECT_ENTRY | (writable ? PageEntry.RW : 0);
    return guest.update(entryAt(direct, page), entry, false, GUEST, work);
  }

  private @Nullable String compare(XenRecord it, @Mfn long mfn, Errno answer) {
    String operation = "operation " + it.number("s") + ", " + it.text("op");
    if (-answer.number() != it.number("rc")) {
      return String.format("%s: Xen answered %d, we %s", operation, it.number("rc"), answer);
    }
    if (it.has("rb")) {
      long entry = memory.load(entryAt(mfn, it.number("i")), Long.BYTES);
      if (entry != it.hex("rb")) {
        return String.format(
            "%s: the entry is 0x%x with Xen, 0x%x with us", operation, it.hex("rb"), entry);
      }
    }
    return null;
  }

  // ---- the state at the end ----

  private void finalState(XenRecord it) {
    int page = page(it);
    @Mfn long mfn = frame(page);
    long type = frames.typeWord(mfn);
    long count = frames.countWord(mfn);
    long end = stream.operations().size();
    if (type != it.hex("ti") || FrameWords.count(count) != it.number("rc")) {
      differ(
          end,
          String.format(
              "page %d at the end: Xen %s; we %s",
              page,
              FrameWords.describe(it.hex("ti"), it.hex("ci")),
              FrameWords.describe(type, count)));
    }
    Map<String, ?> entries = it.object("entries").fields();
    for (int slot = 0; slot < 512; slot++) {
      Object recorded = entries.get(Integer.toString(slot));
      long wanted = recorded instanceof String hex ? Long.parseUnsignedLong(hex, 16) : 0;
      long entry = memory.load(entryAt(mfn, slot), Long.BYTES);
      if (entry != wanted) {
        differ(
            end,
            String.format(
                "page %d at the end, entry %d: 0x%x with Xen, 0x%x with us",
                page, slot, wanted, entry));
      }
    }
  }
}
