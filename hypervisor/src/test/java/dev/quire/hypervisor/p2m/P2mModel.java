// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import java.util.Arrays;

/**
 * A p2m as a plain map from guest frame to entry: no tables, nothing lazy, memory without end. What
 * the real one must answer to every question, and with which error to every call.
 */
final class P2mModel {
  private final long frames;
  private final long memory;
  private final boolean ept;
  private final long hole;
  private final long[] entries;
  private final boolean[] logged;
  private boolean global;
  private boolean ioreqServer;
  private int deferred;

  /** Whether the tables have such entries, even if they are something else by now. */
  boolean ioreqEntries;

  P2mModel(P2mSettings settings, long memory) {
    this.frames = 1L << settings.shape().linearBits() - 12;
    this.memory = memory;
    this.ept = settings.format() == P2mFormat.EPT;
    this.hole = P2mEntry.without(P2mType.MMIO_DM, ept ? P2mAccess.N : P2mAccess.RWX, 0);
    entries = new long[(int) frames];
    Arrays.fill(entries, hole);
    logged = new boolean[(int) frames];
  }

  P2mModel(P2mModel other) {
    frames = other.frames;
    memory = other.memory;
    ept = other.ept;
    hole = other.hole;
    entries = other.entries.clone();
    logged = other.logged.clone();
    global = other.global;
    ioreqServer = other.ioreqServer;
    deferred = other.deferred;
  }

  int size() {
    return entries.length;
  }

  long entry(int gfn) {
    return entries[gfn];
  }

  /** The real one stopped half-way: takes over where. */
  void adopt(int gfn, long entry) {
    entries[gfn] = entry;
  }

  boolean isDeferred() {
    return deferred > 0;
  }

  boolean hasIoreqServer() {
    return ioreqServer;
  }

  /** What the operation must answer, if there is memory. */
  Errno run(P2mOperation o) {
    return switch (o.kind()) {
      case ADD -> add(o);
      case REMOVE -> remove(o);
      case SET -> set(o);
      case CHANGE_TYPE -> change(o);
      case CHANGE_RANGE -> range(o);
      case CHANGE_GLOBAL -> global(o);
      case SET_SPECIAL -> setSpecial(o);
      case CLEAR_SPECIAL -> clearSpecial(o);
      case SUPPRESS_VE -> suppress(o);
      case IOREQ_SERVER -> ioreq(o.order() != 0);
      case SHATTER -> isRange(o.gfn(), 0) ? Errno.OK : Errno.EINVAL;
      case RECALCULATE, HARDWARE_LOGS -> Errno.OK;
      case DEFER -> {
        deferred++;
        yield Errno.OK;
      }
      case FLUSH -> {
        deferred--;
        yield Errno.OK;
      }
    };
  }

  private boolean isRange(long gfn, int order) {
    return gfn >= 0 && order >= 0 && order <= 40 && gfn + (1L << order) <= frames;
  }

  /** What is wrong with frames for a type; null if nothing. */
  private Errno refuse(P2mOperation o) {
    boolean special = o.type().is(Group.SPECIAL);
    if (!isRange(o.gfn(), o.order()) || o.type() == P2mType.MAP_FOREIGN && o.order() > 0) {
      return Errno.EINVAL;
    }
    if (o.mfn() == -1) {
      boolean without = o.type().is(Group.NO_FRAME) || o.type().is(Group.HOLE);
      return without && !special ? null : Errno.EINVAL;
    }
    if (o.mfn() < 0 || o.type().is(Group.HOLE)) {
      return Errno.EINVAL;
    }
    for (long i = 0; i < 1L << o.order(); i++) {
      long mfn = o.mfn() + i;
      boolean ours = mfn < memory;
      boolean theirs = mfn >= memory && mfn < 2 * memory;
      boolean device = mfn >= P2mWorld.DEVICE;
      if (o.type() == P2mType.MMIO_DIRECT ? !device : special ? !theirs : !ours) {
        return Errno.EPERM;
      }
    }
    return o.kind() == P2mOperation.Kind.ADD || canHold(o.type(), o.access())
        ? null
        : Errno.EOPNOTSUPP;
  }

  private boolean canHold(P2mType type, P2mAccess access) {
    boolean write = type.isWritable() || type.is(Group.CHANGEABLE);
    boolean readable = type.isReadable() && access.isReadable();
    return ept ? readable || !(write && access.isWritable()) : access == P2mAccess.RWX;
  }

  private Errno add(P2mOperation o) {
    boolean ram = o.type().is(Group.RAM) && !o.type().is(Group.PAGING);
    boolean plain = ram && o.type() != P2mType.RAM_SHARED && o.type() != P2mType.IOREQ_SERVER;
    if (!plain || o.mfn() == -1) {
      return Errno.EINVAL;
    }
    Errno refused = refuse(o);
    if (refused != null) {
      return refused;
    }
    int gfn = (int) o.gfn();
    int count = 1 << o.order();
    for (int i = 0; i < count; i++) {
      if (P2mEntry.type(entries[gfn + i]).is(Group.SPECIAL)) {
        return Errno.EPERM;
      }
    }
    for (long entry : entries) {
      long mfn = P2mEntry.mfnOrNone(entry);
      if (P2mEntry.type(entry) == P2mType.RAM_SHARED && mfn >= o.mfn() && mfn < o.mfn() + count) {
        return Errno.EINVAL;
      }
    }
    for (int at = 0; at < entries.length; at++) {
      long mfn = P2mEntry.mfnOrNone(entries[at]);
      boolean alias = mfn >= o.mfn() && mfn < o.mfn() + count && mfn - o.mfn() != at - gfn;
      if (alias && P2mEntry.type(entries[at]).is(Group.RAM)) {
        entries[at] = hole;
      }
    }
    for (int i = 0; i < count; i++) {
      entries[gfn + i] = P2mEntry.of(o.mfn() + i, o.type(), P2mAccess.RWX, 0);
    }
    return Errno.OK;
  }

  private Errno remove(P2mOperation o) {
    if (!isRange(o.gfn(), o.order())) {
      return Errno.EINVAL;
    }
    for (int i = 0; i < 1 << o.order(); i++) {
      long entry = entries[(int) o.gfn() + i];
      if (P2mEntry.type(entry) == P2mType.MMIO_DIRECT) {
        return Errno.EPERM;
      }
      if (!P2mEntry.type(entry).isAnyRam() || P2mEntry.mfnOrNone(entry) != o.mfn() + i) {
        return Errno.EILSEQ;
      }
    }
    return clear(o);
  }

  private Errno clear(P2mOperation o) {
    Arrays.fill(entries, (int) o.gfn(), (int) o.gfn() + (1 << o.order()), hole);
    return Errno.OK;
  }

  private Errno set(P2mOperation o) {
    Errno refused = refuse(o);
    if (refused != null) {
      return refused;
    }
    boolean nothing = o.mfn() == -1 && !o.type().is(Group.NO_FRAME);
    boolean suppress = P2mEntry.suppressesVe(entries[(int) o.gfn()]);
    for (int i = 0; i < 1 << o.order(); i++) {
      P2mAccess access = ept ? o.access() : P2mAccess.RWX;
      long entry =
          nothing
              ? hole
              : o.mfn() == -1
                  ? P2mEntry.without(o.type(), access, 0)
                  : P2mEntry.of(o.mfn() + i, o.type(), access, 0);
      entries[(int) o.gfn() + i] = nothing ? hole : P2mEntry.suppressVe(entry, suppress);
    }
    return Errno.OK;
  }

  private Errno change(P2mOperation o) {
    if (!isRange(o.gfn(), 0)
        || o.type().is(Group.RAM) != o.to().is(Group.RAM)
        || o.type().is(Group.SPECIAL) != o.to().is(Group.SPECIAL)
        || o.type().is(Group.HOLE) != o.to().is(Group.HOLE)) {
      return Errno.EINVAL;
    }
    long entry = entries[(int) o.gfn()];
    if (P2mEntry.type(entry) != o.type()) {
      return Errno.EBUSY;
    }
    if (P2mEntry.hasFrame(entry) && !canHold(o.to(), P2mEntry.access(entry))) {
      return Errno.EOPNOTSUPP;
    }
    long changed = P2mEntry.withType(entry, o.to().ordinal());
    boolean nothing = !P2mEntry.hasFrame(entry) && !o.to().is(Group.NO_FRAME);
    entries[(int) o.gfn()] = nothing ? hole : changed;
    return Errno.OK;
  }

  private static boolean isLazy(P2mOperation o) {
    return o.type() != o.to()
        && o.type().is(Group.CHANGEABLE)
        && o.to().is(Group.CHANGEABLE)
        && o.to() != P2mType.IOREQ_SERVER;
  }

  private Errno range(P2mOperation o) {
    if (!isLazy(o) || o.gfn() < 0 || o.mfn() < 0) {
      return Errno.EINVAL;
    }
    int end = (int) Math.min(frames, o.gfn() + o.mfn());
    for (int gfn = (int) o.gfn(); gfn < end; gfn++) {
      logged[gfn] = o.to() == P2mType.RAM_LOGDIRTY;
      retype(gfn);
    }
    return Errno.OK;
  }

  private Errno global(P2mOperation o) {
    if (!isLazy(o)) {
      return Errno.EINVAL;
    }
    global = o.to() == P2mType.RAM_LOGDIRTY;
    retypeAll();
    return Errno.OK;
  }

  private void retypeAll() {
    for (int gfn = 0; gfn < entries.length; gfn++) {
      retype(gfn);
    }
  }

  private void retype(int gfn) {
    P2mType type = P2mEntry.type(entries[gfn]);
    if (type.is(Group.CHANGEABLE) && !(type == P2mType.IOREQ_SERVER && ioreqServer)) {
      P2mType now = global || logged[gfn] ? P2mType.RAM_LOGDIRTY : P2mType.RAM_RW;
      entries[gfn] = P2mEntry.withType(entries[gfn], now.ordinal());
    }
  }

  private Errno ioreq(boolean there) {
    if (ioreqServer == there || there && ioreqEntries) {
      return there ? Errno.EBUSY : Errno.EINVAL;
    }
    ioreqServer = there;
    retypeAll();
    return Errno.OK;
  }

  private Errno setSpecial(P2mOperation o) {
    if (!o.type().is(Group.SPECIAL)) {
      return Errno.EINVAL;
    }
    Errno refused = refuse(o);
    if (refused != null) {
      return refused;
    }
    for (int i = 0; i < 1 << o.order(); i++) {
      long entry = entries[(int) o.gfn() + i];
      boolean same = P2mEntry.type(entry) == o.type() && P2mEntry.mfnOrNone(entry) == o.mfn() + i;
      if (P2mEntry.type(entry).is(Group.SPECIAL) && !same) {
        return Errno.EPERM;
      }
    }
    for (int i = 0; i < 1 << o.order(); i++) {
      entries[(int) o.gfn() + i] = P2mEntry.of(o.mfn() + i, o.type(), o.access(), 0);
    }
    return Errno.OK;
  }

  private Errno clearSpecial(P2mOperation o) {
    if (!isRange(o.gfn(), o.order())) {
      return Errno.EINVAL;
    }
    for (int i = 0; i < 1 << o.order(); i++) {
      long entry = entries[(int) o.gfn() + i];
      if (!P2mEntry.type(entry).is(Group.SPECIAL) || P2mEntry.mfnOrNone(entry) != o.mfn() + i) {
        return Errno.EILSEQ;
      }
    }
    return clear(o);
  }

  private Errno suppress(P2mOperation o) {
    if (!isRange(o.gfn(), 0)) {
      return Errno.EINVAL;
    }
    boolean suppress = o.order() != 0;
    if (!suppress && !ept) {
      return Errno.EOPNOTSUPP;
    }
    long entry = entries[(int) o.gfn()];
    if (!P2mEntry.hasFrame(entry)) {
      return Errno.ESRCH;
    }
    entries[(int) o.gfn()] = P2mEntry.suppressVe(entry, suppress);
    return Errno.OK;
  }

  /** What there is beside the entries. */
  String state() {
    return Arrays.toString(logged).hashCode() + "/" + global + ioreqServer + deferred;
  }
}
