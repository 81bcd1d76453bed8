// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;

/**
 * What decides types and rights beside the entries themselves: the scope of dirty logging, the
 * ioreq server, device frames that nobody may write. A lazily changed type is a function of these
 * ({@code p2m_recalc_type_range}).
 */
final class TypeRules {
  private static final int CHANGEABLE = numbersOf(Group.CHANGEABLE);
  private static final int RAM_RW = P2mType.RAM_RW.ordinal();
  private static final int LOGDIRTY = P2mType.RAM_LOGDIRTY.ordinal();
  private static final int IOREQ_SERVER = P2mType.IOREQ_SERVER.ordinal();

  private final RangeSet logDirtyRanges = new RangeSet();
  private final RangeSet readOnlyDevices;
  private volatile boolean globalLogDirty;
  private volatile boolean hardwareLogs;
  private volatile boolean ioreqServer;

  /**
   * Nothing is logged.
   *
   * @param readOnlyDevices machine frames of devices that no guest may write ({@code
   *     mmio_ro_ranges})
   */
  TypeRules(RangeSet readOnlyDevices) {
    this.readOnlyDevices = readOnlyDevices;
  }

  /** As another one, for another tree of the same domain; hardware does not log there yet. */
  TypeRules(TypeRules other) {
    this(other.readOnlyDevices);
    logDirtyRanges.set(other.logDirtyRanges);
    globalLogDirty = other.globalLogDirty;
    ioreqServer = other.ioreqServer;
  }

  private static int numbersOf(Group group) {
    int numbers = 0;
    for (P2mType type : P2mType.values()) {
      numbers |= type.is(group) ? 1 << type.ordinal() : 0;
    }
    return numbers;
  }

  static boolean isChangeable(int type) {
    return (CHANGEABLE >>> type & 1) != 0;
  }

  /** What a type has become for one frame. */
  int recalculated(int type, @Gfn long gfn) {
    return isFixed(type)
        ? type
        : globalLogDirty || logDirtyRanges.contains(gfn) ? LOGDIRTY : RAM_RW;
  }

  /**
   * What a type has become for a mapping.
   *
   * @return the type's number, or {@link MemoryTypes#MIXED}
   */
  int recalculated(int type, @Gfn long gfn, long frames) {
    if (isFixed(type)) {
      return type;
    }
    if (globalLogDirty) {
      return LOGDIRTY;
    }
    return switch (logDirtyRanges.coverage(gfn, frames)) {
      case ALL -> LOGDIRTY;
      case NONE -> RAM_RW;
      case SOME -> MemoryTypes.MIXED;
    };
  }

  private boolean isFixed(int type) {
    return !isChangeable(type) || type == IOREQ_SERVER && ioreqServer;
  }

  /** Whether hardware may write such a mapping, as far as the type goes. */
  boolean isWritable(P2mType type, @Mfn long mfn, long frames) {
    return switch (type) {
      case MMIO_DIRECT -> readOnlyDevices.coverage(mfn, frames) == RangeSet.Coverage.NONE;
      case IOREQ_SERVER -> !ioreqServer;
      default -> type.isWritable();
    };
  }

  RangeSet logDirtyRanges() {
    return logDirtyRanges;
  }

  boolean isGlobalLogDirty() {
    return globalLogDirty;
  }

  void globalLogDirty(boolean on) {
    globalLogDirty = on;
  }

  /** Whether hardware logs the writes to small pages itself (PML), so that they stay writable. */
  boolean logsInHardware() {
    return hardwareLogs;
  }

  void logsInHardware(boolean on) {
    hardwareLogs = on;
  }

  boolean hasIoreqServer() {
    return ioreqServer;
  }

  void ioreqServer(boolean there) {
    ioreqServer = there;
  }
}
