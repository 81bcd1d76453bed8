// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.guest.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** What a dump of a running Xen says: who owns each frame, as what, and what pagetables hold. */
final class Dump {
  /** Real domains have smaller numbers. */
  static final int FIRST_PSEUDO_DOMAIN = 0x7ff0;

  private static final Map<Character, Long> COUNT_FLAGS =
      Map.of(
          'A', FrameWords.ALLOCATED,
          'H', FrameWords.XEN_HEAP,
          'E', FrameWords.EXTRA,
          'B', FrameWords.BROKEN);

  private static final Map<Character, Long> TYPE_FLAGS =
      Map.of(
          'V', FrameWords.VALIDATED,
          'P', FrameWords.PINNED,
          'p', FrameWords.PARTIAL,
          'L', FrameWords.LOCKED,
          'N', FrameWords.NON_COHERENT,
          'X', FrameWords.PAE_XEN_L2);

  /**
   * A reference that the hypervisor itself holds.
   *
   * @param types how many type references
   * @param general how many general ones
   */
  record Held(long mfn, String kind, int types, int general) {}

  private final String version;
  private final int[] owners;
  private final long[] counts;
  private final long[] types;
  private final Set<Integer> pv = new TreeSet<>();
  private final Set<Integer> external = new TreeSet<>();
  private final List<Held> held = new ArrayList<>();
  private final Map<Long, long[]> tables = new TreeMap<>();

  private Dump(XenRecord header) {
    version = header.text("xen_version", "?");
    int frames = Math.toIntExact(header.number("max_page"));
    owners = new int[frames];
    java.util.Arrays.fill(owners, FrameTable.NOBODY);
    counts = new long[frames];
    types = new long[frames];
  }

  /**
   * Reads a dump.
   *
   * @throws InputException naming file and line of what is damaged
   */
  static Dump read(Path file) {
    try (RecordFile records = new RecordFile(file)) {
      XenRecord header = records.next();
      if (header == null || !header.has("max_page") || !"header".equals(header.text("k", ""))) {
        throw new InputException(file + ": not a dump of Xen: it does not begin with its header");
      }
      Dump dump = new Dump(header);
      boolean ended = false;
      for (XenRecord it = records.next(); it != null; it = records.next()) {
        ended |= dump.take(it);
      }
      if (!ended) {
        throw new InputException(file + ": ends before its end record: it is cut off");
      }
      return dump;
    }
  }

  /** Takes a record; answers whether it was the last one. */
  private boolean take(XenRecord record) {
    switch (record.text("k")) {
      case "domain" -> domain(record);
      case "f" -> frame(record);
      case "xref" -> held(record);
      case "pt" -> table(record);
      case "end" -> {
        return true;
      }
      default -> {} // cpu, vcpu, grant, npt, p2m: shown in other records, or not counted
    }
    return false;
  }

  private void domain(XenRecord record) {
    int number = (int) record.number("domid");
    if (number < FIRST_PSEUDO_DOMAIN) {
      (record.flag("hvm") ? external : pv).add(number);
    }
  }

  private int index(XenRecord record, String field) {
    long mfn = record.number(field);
    if (mfn < 0 || mfn >= owners.length) {
      throw record.bad(field, "frame " + mfn + " is beyond the frame table");
    }
    return (int) mfn;
  }

  private void frame(XenRecord record) {
    int mfn = index(record, "m");
    if ("free".equals(record.text("st", ""))) {
      return;
    }
    owners[mfn] = (int) record.number("o", FrameTable.NOBODY);
    counts[mfn] = record.number("rc") | flags(record, "cf", COUNT_FLAGS);
    types[mfn] =
        FrameWords.of(type(record)) | record.number("tc") | flags(record, "tf", TYPE_FLAGS);
  }

  private static FrameType type(XenRecord record) {
    String title = record.text("t");
    for (FrameType type : FrameType.values()) {
      if (type.title().equals(title)) {
        return type;
      }
    }
    throw record.bad("t", "no such type: " + title);
  }

  private static long flags(XenRecord record, String field, Map<Character, Long> known) {
    long flags = 0;
    for (char letter : record.text(field, "").toCharArray()) {
      Long flag = known.get(letter);
      if (flag == null) {
        throw record.bad(field, "no such flag: " + letter);
      }
      flags |= flag;
    }
    return flags;
  }

  private void held(XenRecord record) {
    index(record, "mfn");
    held.add(
        new Held(
            record.number("mfn"),
            record.text("kind"),
            (int) record.number("t"),
            (int) record.number("r")));
  }

  private void table(XenRecord record) {
    long mfn = index(record, "m");
    String hex = record.text("hex");
    if (hex.length() != 512 * 16) {
      throw record.bad("hex", hex.length() + " digits in the place of " + 512 * 16);
    }
    long[] content = new long[512];
    try {
      for (int i = 0; i < content.length; i++) {
        content[i] = Long.parseUnsignedLong(hex, 16 * i, 16 * i + 16, 16);
      }
    } catch (NumberFormatException e) {
      throw record.bad("hex", "not hexadecimal");
    }
    tables.put(mfn, content);
  }

  /** Which Xen it was. */
  String version() {
    return version;
  }

  /** How many frames there are. */
  int frames() {
    return owners.length;
  }

  int owner(long mfn) {
    return mfn < owners.length ? owners[(int) mfn] : FrameTable.NOBODY;
  }

  /** General references as {@link FrameWords} packs them. */
  long countWord(long mfn) {
    return counts[(int) mfn];
  }

  /** The type as {@link FrameWords} packs it. */
  long typeWord(long mfn) {
    return types[(int) mfn];
  }

  /** PV domains. */
  Set<Integer> pvDomains() {
    return pv;
  }

  /** HVM and PVH domains. */
  Set<Integer> externalDomains() {
    return external;
  }

  /** What Xen itself holds. */
  List<Held> held() {
    return held;
  }

  /** The content of pagetables and descriptor frames. */
  Map<Long, long[]> tables() {
    return tables;
  }
}
