// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mType;

/** One call, as data: so that programs can be enumerated, compared with a model and shrunk. */
record P2mOperation(
    Kind kind, long gfn, long mfn, int order, P2mType type, P2mType to, P2mAccess access) {

  /** Which one. */
  enum Kind {
    ADD,
    REMOVE,
    SET,
    CHANGE_TYPE,
    /** {@code mfn} is the length of the range. */
    CHANGE_RANGE,
    CHANGE_GLOBAL,
    RECALCULATE,
    SET_SPECIAL,
    CLEAR_SPECIAL,
    SHATTER,
    /** To what {@code order} says. */
    SUPPRESS_VE,
    /** To what {@code order} says. */
    IOREQ_SERVER,
    /** To what {@code order} says. */
    HARDWARE_LOGS,
    DEFER,
    FLUSH
  }

  static P2mOperation add(long gfn, long mfn, int order, P2mType type) {
    return new P2mOperation(Kind.ADD, gfn, mfn, order, type, type, P2mAccess.RWX);
  }

  static P2mOperation remove(long gfn, long mfn, int order) {
    return of(Kind.REMOVE, gfn, mfn, order);
  }

  static P2mOperation set(long gfn, long mfn, int order, P2mType type, P2mAccess access) {
    return new P2mOperation(Kind.SET, gfn, mfn, order, type, type, access);
  }

  static P2mOperation change(long gfn, P2mType from, P2mType to) {
    return new P2mOperation(Kind.CHANGE_TYPE, gfn, 0, 0, from, to, P2mAccess.RWX);
  }

  /** Whether to log writes in a range. */
  static P2mOperation range(long first, long count, boolean log) {
    return new P2mOperation(
        Kind.CHANGE_RANGE, first, count, 0, from(log), from(!log), P2mAccess.RWX);
  }

  static P2mOperation global(boolean log) {
    return new P2mOperation(Kind.CHANGE_GLOBAL, 0, 0, 0, from(log), from(!log), P2mAccess.RWX);
  }

  private static P2mType from(boolean log) {
    return log ? P2mType.RAM_RW : P2mType.RAM_LOGDIRTY;
  }

  static P2mOperation special(long gfn, long mfn, int order, P2mType type) {
    P2mAccess access = P2mAccess.RWX;
    return new P2mOperation(Kind.SET_SPECIAL, gfn, mfn, order, type, type, access);
  }

  static P2mOperation of(Kind kind, long gfn, long mfn, int order) {
    return new P2mOperation(kind, gfn, mfn, order, P2mType.RAM_RW, P2mType.RAM_RW, P2mAccess.RWX);
  }

  Errno run(DomainP2m p2m) {
    return switch (kind) {
      case ADD -> p2m.add(gfn, mfn, order, type);
      case REMOVE -> p2m.remove(gfn, mfn, order);
      case SET -> p2m.set(gfn, mfn, order, type, access);
      case CHANGE_TYPE -> p2m.changeType(gfn, type, to);
      case CHANGE_RANGE -> p2m.changeTypeRange(gfn, mfn, type, to);
      case CHANGE_GLOBAL -> p2m.changeTypeGlobal(type, to);
      case RECALCULATE -> p2m.recalculate(gfn);
      case SET_SPECIAL -> p2m.setSpecial(gfn, mfn, order, type, access);
      case CLEAR_SPECIAL -> p2m.clearSpecial(gfn, mfn, order);
      case SHATTER -> p2m.shatter(gfn);
      case SUPPRESS_VE -> p2m.suppressVe(gfn, order != 0);
      case IOREQ_SERVER -> p2m.ioreqServer(order != 0);
      case HARDWARE_LOGS -> {
        p2m.hardwareLogs(order != 0);
        yield Errno.OK;
      }
      case DEFER -> {
        p2m.deferFlushes();
        yield Errno.OK;
      }
      case FLUSH -> {
        p2m.flushDeferred();
        yield Errno.OK;
      }
    };
  }

  @Override
  public String toString() {
    return String.format(
        "%s gfn=%d mfn=%d order=%d %s>%s %s", kind, gfn, mfn, order, type, to, access);
  }
}
