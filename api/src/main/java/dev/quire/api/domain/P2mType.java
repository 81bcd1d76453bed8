// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

/**
 * What a guest frame is, as the p2m says: Xen's {@code p2m_type_t}, by its numbers. The groups
 * decide what software may do with the frame, the rights what hardware may do to it under nested
 * paging, before {@link P2mAccess} takes away from them.
 */
public enum P2mType {
  /** Ordinary memory. */
  RAM_RW("rwx", Group.RAM, Group.CHANGEABLE, Group.PAGEABLE, Group.SHARABLE),
  /** Nothing. */
  INVALID("", Group.HOLE),
  /** Memory whose next write is to be noted in the dirty log. */
  RAM_LOGDIRTY("rx", Group.RAM, Group.READ_ONLY, Group.CHANGEABLE, Group.PAGEABLE, Group.SHARABLE),
  /** Memory that the guest reads only; writes are discarded. */
  RAM_RO("rx", Group.RAM, Group.READ_ONLY, Group.DISCARD_WRITE),
  /** A device that a device model emulates. What a frame without an entry is. */
  MMIO_DM("", Group.HOLE, Group.MMIO),
  /** A device that is passed through; of a read-only range, without w. */
  MMIO_DIRECT("rwx", Group.MMIO, Group.SPECIAL, Group.NO_FRAME),
  /** Memory that is given when first touched. */
  POPULATE_ON_DEMAND("", Group.NO_FRAME, Group.POPULATE),
  /** A grant of another domain, mapped writable. */
  GRANT_MAP_RW("rw", Group.GRANT, Group.SPECIAL),
  /** A grant of another domain, mapped read-only; writes are discarded. */
  GRANT_MAP_RO("r", Group.GRANT, Group.SPECIAL, Group.READ_ONLY, Group.DISCARD_WRITE),
  /** Memory on its way out; its content is still there. */
  RAM_PAGING_OUT("", Group.RAM, Group.PAGING, Group.NO_FRAME),
  /** Memory that is paged out. */
  RAM_PAGED("", Group.RAM, Group.PAGING, Group.NO_FRAME, Group.HOLE),
  /** Memory on its way in. */
  RAM_PAGING_IN("", Group.RAM, Group.PAGING, Group.NO_FRAME, Group.HOLE),
  /** Memory shared between domains; a write unshares it. */
  RAM_SHARED("rx", Group.RAM, Group.READ_ONLY, Group.SHARED),
  /** Memory whose hardware failed. */
  RAM_BROKEN("", Group.BROKEN),
  /** A frame of another domain. */
  MAP_FOREIGN("rw", Group.SPECIAL),
  /** Memory whose writes go to an ioreq server. */
  IOREQ_SERVER("r", Group.RAM, Group.CHANGEABLE);

  /** Properties that types share: Xen's {@code P2M_*_TYPES} masks. */
  public enum Group {
    /** The guest's memory, whether or not it is in a frame just now ({@code p2m_is_ram}). */
    RAM,
    /** Never written by hardware. */
    READ_ONLY,
    /** Writes are thrown away. */
    DISCARD_WRITE,
    /** May be changed by a global recalculation. */
    CHANGEABLE,
    /** May be paged out. */
    PAGEABLE,
    /** May be shared. */
    SHARABLE,
    /** Shared now. */
    SHARED,
    /** May be replaced by anything ({@code p2m_is_hole}). */
    HOLE,
    /** A device. */
    MMIO,
    /** Set and cleared by operations of its own only. */
    SPECIAL,
    /** A grant mapping. */
    GRANT,
    /** Somewhere between memory and disk. */
    PAGING,
    /** Given on demand. */
    POPULATE,
    /** Broken memory. */
    BROKEN,
    /** An entry of this type may be without a machine frame. */
    NO_FRAME
  }

  private static final P2mType[] ALL = values();

  private final boolean readable;
  private final boolean writable;
  private final boolean executable;

  /** Bits by ordinal: asked for every frame of an audit, and at every nested fault. */
  private final int groups;

  P2mType(String rights, Group... groups) {
    this.readable = rights.contains("r");
    this.writable = rights.contains("w");
    this.executable = rights.contains("x");
    int all = 0;
    for (Group group : groups) {
      all |= 1 << group.ordinal();
    }
    this.groups = all;
  }

  /** The type of a number, 0 to 15. */
  public static P2mType at(int number) {
    return ALL[number];
  }

  /** Whether the type belongs to {@code group}. */
  public boolean is(Group group) {
    return (groups >>> group.ordinal() & 1) != 0;
  }

  /** RAM that is there, or a grant or foreign frame ({@code p2m_is_any_ram}). */
  public boolean isAnyRam() {
    return is(Group.RAM) || is(Group.GRANT) || this == MAP_FOREIGN;
  }

  /** Whether hardware may read it. */
  public boolean isReadable() {
    return readable;
  }

  /** Whether hardware may write it. */
  public boolean isWritable() {
    return writable;
  }

  /** Whether hardware may fetch from it. */
  public boolean isExecutable() {
    return executable;
  }
}
