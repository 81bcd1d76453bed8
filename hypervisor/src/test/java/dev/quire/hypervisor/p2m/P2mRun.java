// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.hypervisor.p2m.P2mOperation.Kind;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Operations on a small p2m beside its model, with everything checked after each: answers and
 * errors, audits, and what a CPU may have cached since the last flush (the staleness oracle of the
 * second dimension). The first thing that is wrong is a sentence.
 */
final class P2mRun {
  final P2mWorld world;
  final P2mModel model;
  private final boolean ept;
  private final Set<Long>[] cached;
  private boolean hardwareLogs;
  private Errno expected = Errno.OK;

  @SuppressWarnings({"unchecked", "rawtypes"})
  P2mRun(P2mSettings settings) {
    world = P2mWorld.small(settings);
    model = new P2mModel(settings, world.memory);
    ept = settings.format() == P2mFormat.EPT;
    cached = new Set[model.size()];
    for (int gfn = 0; gfn < cached.length; gfn++) {
      cached[gfn] = new HashSet<>(2);
    }
    world.onFlush = this::forget;
    look();
  }

  private void forget() {
    for (Set<Long> views : cached) {
      views.clear();
    }
  }

  /** A CPU uses every address: it may cache what it finds, tables included. */
  private void look() {
    Set<Long> tables = new HashSet<>();
    for (int gfn = 0; gfn < cached.length; gfn++) {
      long view = HardwareView.of(world, world.p2m, gfn, tables);
      if (view != HardwareView.TRAP) {
        cached[gfn].add(view);
      }
    }
    world.learn(tables);
  }

  /** What is wrong after these operations; null if nothing. */
  static String check(P2mSettings settings, List<P2mOperation> program) {
    P2mRun run = new P2mRun(settings);
    for (P2mOperation operation : program) {
      String problem = run.step(operation, 0);
      if (problem != null) {
        return operation + ": " + problem;
      }
    }
    return run.settle();
  }

  /** One operation that was checked before, on the way to another. */
  void replay(P2mOperation operation, int failing) {
    Errno before = act(operation, failing);
    if (before == Errno.ENOMEM) {
      for (int gfn = 0; gfn < model.size(); gfn++) {
        model.adopt(gfn, P2mEntry.withSize(world.p2m.get(gfn), 0));
      }
    }
    look();
  }

  private Errno act(P2mOperation operation, int failing) {
    world.allocations = 0;
    world.failing = failing;
    model.ioreqEntries = world.p2m.frames(P2mType.IOREQ_SERVER) > 0;
    expected = model.run(operation);
    hardwareLogs = operation.kind() == Kind.HARDWARE_LOGS ? operation.order() != 0 : hardwareLogs;
    Errno actual = operation.run(world.p2m);
    world.failing = 0;
    return actual;
  }

  /**
   * One operation.
   *
   * @param failing which allocation in it fails; 0 for none
   */
  String step(P2mOperation operation, int failing) {
    P2mModel before = new P2mModel(model);
    Errno actual;
    try {
      actual = act(operation, failing);
    } catch (RuntimeException thrown) {
      return "threw " + thrown + " at " + thrown.getStackTrace()[0];
    }
    if (actual == Errno.ENOMEM && failing > 0 && world.allocations >= failing) {
      String unlike = adopt(operation, before);
      if (unlike != null) {
        return unlike;
      }
    } else if (actual != expected
        && !(operation.kind() == Kind.RECALCULATE && actual == Errno.ENOENT)) {
      return "answered " + actual + ", not " + expected;
    }
    return state();
  }

  private String state() {
    for (int gfn = 0; gfn < model.size(); gfn++) {
      long actual = P2mEntry.withSize(world.p2m.get(gfn), 0);
      if (actual != model.entry(gfn)) {
        return String.format(
            "gfn %d is %s, not %s",
            gfn, P2mEntry.describe(actual), P2mEntry.describe(model.entry(gfn)));
      }
    }
    look();
    String stale = model.isDeferred() ? null : stale();
    List<String> wrong = world.audit();
    return stale != null ? stale : wrong.isEmpty() ? null : wrong.toString();
  }

  private String stale() {
    for (int gfn = 0; gfn < cached.length; gfn++) {
      for (long view : cached[gfn]) {
        long entry = model.entry(gfn);
        if (view >>> 3 != P2mEntry.mfnOrNone(entry) || (view & 7 & ~allowed(entry)) != 0) {
          return String.format(
              "a CPU may hold frame %d with rights %d for gfn %d, which is %s",
              view >>> 3, view & 7, gfn, P2mEntry.describe(entry));
        }
      }
    }
    return null;
  }

  private int allowed(long entry) {
    P2mType type = P2mEntry.type(entry);
    P2mAccess access = P2mEntry.access(entry);
    boolean write =
        type.isWritable()
            || type == P2mType.IOREQ_SERVER && !model.hasIoreqServer()
            || type == P2mType.RAM_LOGDIRTY && hardwareLogs && ept;
    int rights =
        (type.isReadable() && access.isReadable() ? HardwareView.R : 0)
            | (write && access.isWritable() ? HardwareView.W : 0)
            | (type.isExecutable() && access.isExecutable() ? HardwareView.X : 0);
    return P2mEntry.hasFrame(entry) ? rights : 0;
  }

  /**
   * Memory ran out: what is not as it was must be as it should be, below the first frame that was
   * not reached. A frame that moves may be at neither place.
   */
  private String adopt(P2mOperation operation, P2mModel before) {
    boolean single = operation.kind() != Kind.ADD && operation.kind() != Kind.CHANGE_RANGE;
    boolean stopped = false;
    for (int gfn = 0; gfn < model.size(); gfn++) {
      long actual = P2mEntry.withSize(world.p2m.get(gfn), 0);
      boolean done = actual == model.entry(gfn);
      boolean untouched = actual == before.entry(gfn);
      boolean moved = operation.kind() == Kind.ADD && !P2mEntry.hasFrame(actual);
      if (!done && !untouched && !moved) {
        return String.format("gfn %d is neither old nor new after ENOMEM", gfn);
      }
      stopped |= !done;
      if (single && stopped && !untouched) {
        return String.format("gfn %d changed after the step that failed", gfn);
      }
      model.adopt(gfn, actual);
    }
    boolean changedOne = operation.order() == 0 && single && !stopped;
    return changedOne && differs(before) ? "a single change was done in spite of ENOMEM" : null;
  }

  private boolean differs(P2mModel before) {
    for (int gfn = 0; gfn < model.size(); gfn++) {
      if (before.entry(gfn) != model.entry(gfn)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Nothing stays pending for ever: traps are resolved one by one, then hardware may what it may.
   */
  String settle() {
    while (model.isDeferred()) {
      step(P2mOperation.of(Kind.FLUSH, 0, 0, 0), 0);
    }
    for (int gfn = 0; gfn < model.size(); gfn++) {
      for (int traps = 0; world.p2m.recalculate(gfn) == Errno.OK; traps++) {
        if (traps > 12) {
          return "gfn " + gfn + " traps for ever";
        }
      }
      long entry = model.entry(gfn);
      long view = HardwareView.of(world, world.p2m, gfn, new HashSet<>());
      int must = allowed(entry);
      if (P2mEntry.type(entry) == P2mType.RAM_LOGDIRTY) {
        must &= ~HardwareView.W; // superpages are never left to the hardware's log
        view &= ~HardwareView.W;
      }
      if ((view & 7) != must) {
        return String.format(
            "gfn %d is %s, hardware has rights %d", gfn, P2mEntry.describe(entry), view & 7);
      }
    }
    return state();
  }
}
