// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Registers;
import dev.quire.launcher.torture.GuestOperation.Kind;
import java.util.List;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * Judges what accesses came to: an access whose translation was not changed since the vCPU last
 * invalidated it has one outcome; another one may be served by what the CPU may have kept.
 */
final class AccessOracle {
  private static final int PAGE = 4096;

  private final TortureGuest guest;
  private final ModelMemory memory;
  private final CurrentWalk walk;
  private final PermittedWalks permitted;
  private final boolean exact;
  private final TortureCounts counts;

  private VcpuHistory history;
  private Registers registers;
  private GuestOperation operation;
  private long now;

  AccessOracle(
      TortureGuest guest,
      ModelMemory memory,
      VcpuHistory any,
      boolean exact,
      TortureCounts counts) {
    this.guest = guest;
    this.memory = memory;
    this.exact = exact;
    this.counts = counts;
    walk = new CurrentWalk(memory);
    registers = guest.registers(0);
    permitted = new PermittedWalks(memory, guest, any, registers);
    history = any;
    operation = GuestOperation.control(0, Kind.INVLPG, 0, 0);
  }

  /** The level of the entry that maps an address now, 1 if none does. */
  int levelOf(VcpuHistory of, Registers with, long linear) {
    walk.walk(of.now(), with, 0, linear);
    return walk.level();
  }

  /**
   * Judges the operation that the guest has just made.
   *
   * @param time even; the one after it is that of what it stored
   * @return what is wrong; null if nothing is
   */
  @Nullable String judge(GuestOperation it, VcpuHistory of, Registers with, long time) {
    operation = it;
    history = of;
    registers = with;
    now = time;
    walk.walk(of.now(), with, it.access(), it.place());
    long linear = walk.linear();
    int first = (int) Math.min(Math.max(1, it.bytes()), PAGE - (linear & PAGE - 1));
    boolean crosses = first < it.bytes();
    permitted.begin(time, word -> false);
    return switch (guest.result()) {
      case DONE -> crosses ? doneInTwo(linear, first) : done(linear);
      case FAULT -> faulted(linear, crosses ? first : 0);
      default -> "the guest cannot go on";
    };
  }

  // ---- faults ----

  private @Nullable String faulted(long linear, int crossing) {
    if (walk.isRefused() && guest.hasFaulted(walk.vector(), walk.code(), linear)) {
      counts.faults++;
      return unchanged();
    }
    if (crossing == 0 || pages(linear).isEmpty()) {
      return expected();
    }
    permitted.takeOver();
    walk.walk(history.now(), registers, operation.access(), linear + crossing);
    if (walk.isRefused() && guest.hasFaulted(walk.vector(), walk.code(), walk.linear())) {
      counts.faults++;
      return unchanged();
    }
    return expected();
  }

  /** A walk that faults changes no entry. */
  private @Nullable String unchanged() {
    for (int i = 0; i < walk.depth(); i++) {
      int word = walk.word(i);
      if (guest.word(word) != memory.word(word)) {
        return "a walk that faulted changed an entry: " + difference(word);
      }
    }
    return null;
  }

  // ---- successes ----

  private @Nullable String done(long linear) {
    long gpa = guest.reached();
    int bytes = operation.bytes();
    long last = hasStored() ? gpa + bytes - 1 >>> 3 : -1;
    IntPredicate stored = word -> word >= gpa >>> 3 && word <= last;
    if (!isPlain(gpa, stored)) {
      permitted.begin(now, stored);
      if (!pages(linear).contains(gpa)) {
        return expected();
      }
      counts.old += gpa != walk.gpa() || walk.isRefused() ? 1 : 0;
      permitted.takeOver();
    } else {
      counts.exact++;
    }
    return operation.kind().hasSize() ? moved(gpa, bytes) : null;
  }

  private boolean hasStored() {
    return operation.kind() == Kind.STORE
        || operation.kind() == Kind.EXCHANGE
            && guest.loaded() == (operation.value() & ones(operation.bytes()));
  }

  /** Whether it is as the tables are, and nothing else could have served it. */
  private boolean isPlain(long gpa, IntPredicate stored) {
    if (walk.isRefused() || walk.gpa() != gpa || isChanged() || !assisted(stored)) {
      return false;
    }
    for (int i = 0; i < walk.depth(); i++) {
      int word = walk.word(i);
      long before = memory.word(word);
      if ((before | walk.bits(i)) != before) {
        memory.assist(word, before | walk.bits(i), now);
      }
    }
    return true;
  }

  private boolean assisted(IntPredicate stored) {
    for (int i = 0; i < walk.depth(); i++) {
      int word = walk.word(i);
      if (!stored.test(word) && guest.word(word) != (memory.word(word) | bitsOf(word))) {
        return false;
      }
    }
    return true;
  }

  /** All that hardware sets in a quadword: in a table that refers to itself it is met twice. */
  private long bitsOf(int word) {
    long bits = 0;
    for (int i = 0; i < walk.depth(); i++) {
      bits |= walk.word(i) == word ? walk.bits(i) : 0;
    }
    return bits;
  }

  private boolean isChanged() {
    if (exact) {
      return false;
    }
    long forgotten = history.forgotten();
    boolean changed = history.changed() > forgotten;
    for (int i = 0; i < walk.depth() && !changed; i++) {
      changed = memory.lastStore(walk.word(i)) > forgotten;
    }
    return changed;
  }

  /** Where the access may have gone. */
  private List<Long> pages(long linear) {
    counts.searched++;
    if (history.now().rules() == null) {
      return List.of(walk.gpa());
    }
    List<Long> all = permitted.find(history, registers, operation.access(), linear);
    if (!exact) {
      return all;
    }
    return !walk.isRefused() && all.contains(walk.gpa()) ? List.of(walk.gpa()) : List.of();
  }

  // ---- data ----

  private @Nullable String moved(long gpa, int bytes) {
    if (!ModelMemory.isRam(gpa)) {
      return operation.kind() == Kind.STORE || guest.loaded() == ones(bytes)
          ? null
          : "a device reads all ones: " + guest.outcome();
    }
    long before = memory.load(gpa, bytes);
    long differs = operation.kind() == Kind.STORE ? 0 : guest.loaded() ^ before;
    if ((differs & ~(hasStored() ? permitted.bits(gpa) : 0)) != 0) {
      return String.format("loaded 0x%x from 0x%x, there is 0x%x", guest.loaded(), gpa, before);
    }
    if (operation.kind() == Kind.STORE) {
      memory.store(gpa, bytes, operation.value(), now + 1);
    } else if (hasStored()) {
      memory.store(gpa, bytes, operation.replacement(), now + 1);
    }
    return operation.kind() == Kind.LOAD ? null : settled(gpa, bytes);
  }

  private static long ones(int bytes) {
    return -1L >>> 64 - 8 * bytes;
  }

  /** Whether memory holds what was stored. */
  private @Nullable String settled(long gpa, int bytes) {
    permitted.takeOverStored();
    for (long word = gpa >>> 3; word <= gpa + bytes - 1 >>> 3; word++) {
      if (guest.word((int) word) != memory.word((int) word)) {
        return "memory is not what was stored: " + difference((int) word);
      }
    }
    return null;
  }

  private @Nullable String doneInTwo(long linear, int first) {
    long gpa = guest.reached();
    boolean stores = hasStored();
    permitted.begin(now, word -> stores && ((word & 511) == 0 || (word & 511) == 511));
    if (!pages(linear).contains(gpa)) {
      return expected();
    }
    permitted.takeOver();
    walk.walk(history.now(), registers, operation.access(), linear + first);
    List<Long> seconds = List.copyOf(pages(walk.linear()));
    permitted.takeOver();
    Long agreed = null;
    for (long second : seconds) {
      if (agrees(gpa, first, second) && (agreed == null || isWritten(second, first))) {
        agreed = second; // where memory held what was stored before, nothing tells
      }
    }
    return agreed == null ? expected() : movedInTwo(gpa, first, agreed);
  }

  /** Whether the part in the second page is other than it was. */
  private boolean isWritten(long second, int first) {
    int rest = operation.bytes() - first;
    return ModelMemory.isRam(second) && actual(second, rest) != load(second, rest);
  }

  private boolean agrees(long gpa, int first, long second) {
    int rest = operation.bytes() - first;
    long value = load(gpa, first) | load(second, rest) << 8 * first;
    if (operation.kind() != Kind.STORE && guest.loaded() != value) {
      return false;
    }
    boolean stores = operation.kind() == Kind.STORE;
    long stored = stores ? operation.value() : operation.replacement();
    return !hasStored()
        || !ModelMemory.isRam(second)
        || actual(second, rest) == (stored >>> 8 * first & ones(rest));
  }

  private long load(long gpa, int bytes) {
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= (ModelMemory.isRam(gpa) ? memory.load(gpa + i, 1) : 0xff) << 8 * i;
    }
    return value;
  }

  private long actual(long gpa, int bytes) {
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      long at = gpa + i;
      value |= (guest.word((int) (at >>> 3)) >>> 8 * (at & 7) & 0xff) << 8 * i;
    }
    return value;
  }

  private @Nullable String movedInTwo(long gpa, int first, long second) {
    int rest = operation.bytes() - first;
    long before = load(gpa, first) | load(second, rest) << 8 * first;
    long value = operation.value();
    if (operation.kind() == Kind.LOAD) {
      return null;
    }
    if (operation.kind() == Kind.EXCHANGE) {
      if (before != (value & ones(operation.bytes()))) {
        return null;
      }
      value = operation.replacement();
    }
    store(gpa, first, value);
    store(second, rest, value >>> 8 * first);
    String wrong = ModelMemory.isRam(gpa) ? settled(gpa, first) : null;
    return wrong == null && ModelMemory.isRam(second) ? settled(second, rest) : wrong;
  }

  private void store(long gpa, int bytes, long value) {
    for (int i = 0; i < bytes && ModelMemory.isRam(gpa); i++) {
      memory.store(gpa + i, 1, value >>> 8 * i, now + 1);
    }
  }

  // ---- what is wrong ----

  private String expected() {
    StringBuilder may = new StringBuilder();
    if (history.now().rules() != null && guest.result() == RunResult.DONE) {
      for (long gpa : permitted.find(history, registers, operation.access(), walk.linear())) {
        may.append(String.format(" 0x%x", gpa));
      }
    }
    return String.format(
        "%s; the tables say %s%s",
        guest.outcome(),
        walk.outcome(),
        may.isEmpty() ? "" : ", what may be kept with these A and D bits:" + may);
  }

  private String difference(int word) {
    return String.format(
        "at 0x%x there is 0x%x, not 0x%x", (long) word << 3, guest.word(word), memory.word(word));
  }
}
