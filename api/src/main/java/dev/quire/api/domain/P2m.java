// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/**
 * A domain's physical-to-machine map: tables in machine memory, out of the domain's {@link
 * PagingPool}, in the format that the backend asked for. It belongs to the domain; the backend
 * reads it, or gives its root to hardware. Each change tells the backend before and after, keeps
 * the M2P in step, and is complete (no TLB allows the old entry any more) when the call returns
 * (law 4), unless flushes are {@link #deferFlushes deferred}.
 *
 * <p>Semantics: Xen's {@code mm/p2m.c}, {@code p2m-pt.c}, {@code p2m-ept.c}. Where the real design
 * leaves a partial effect, the method says so.
 */
@ProviderType
public interface P2m {
  /** Ask nothing but what the entry is now. */
  int LOOK = 0;

  /** Populate-on-demand frames are populated ({@code P2M_ALLOC}). */
  int ALLOC = 1;

  /** Shared frames are unshared; implies {@link #ALLOC} ({@code P2M_UNSHARE}). */
  int UNSHARE = 3;

  /** The format of the tables. */
  P2mFormat format();

  /** Address of the root table. Unit: bytes. */
  @Maddr
  long root();

  /** Levels of the tables. */
  int levels();

  /**
   * What a guest frame is, pending recalculation applied but not written ({@code get_entry}).
   *
   * @return a {@link P2mEntry}; a frame that has no entry is MMIO_DM
   */
  long get(@Gfn long gfn);

  /**
   * The same, locked: nothing changes the entry until {@link #putGfn} ({@code
   * get_gfn_type_access}).
   *
   * @param query {@link #LOOK}, {@link #ALLOC} or {@link #UNSHARE}
   */
  long getGfn(@Gfn long gfn, int query);

  /** Ends what {@link #getGfn} began. */
  void putGfn(@Gfn long gfn);

  /**
   * The machine frame behind a guest frame with a reference to it, so that nobody else is given it
   * ({@code get_page_from_gfn}).
   *
   * @param query as for {@link #getGfn}
   * @return {@link dev.quire.api.hw.FrameMapper#NONE} unless it is memory of the domain or a
   *     foreign frame: for grants and devices too
   */
  @Mfn
  long getPage(@Gfn long gfn, int query);

  /** Puts the reference that {@link #getPage} took. */
  void putPage(@Mfn long mfn);

  /**
   * Maps guest frames to machine frames ({@code p2m_add_page}): M2P and aliases kept right.
   *
   * @param gfn first guest frame
   * @param mfn first machine frame
   * @param order any; the largest mappings that alignment and limits allow are used
   * @param type memory that is there: RAM_RW, RAM_LOGDIRTY or RAM_RO
   * @return EPERM if the domain may not have a frame or a special entry is in the range, ENOMEM
   *     (the frames below the first that failed are mapped, and machine frames of the range that
   *     were mapped elsewhere may be so no more), EINVAL
   */
  Errno add(@Gfn long gfn, @Mfn long mfn, int order, P2mType type);

  /**
   * Unmaps guest frames, which must be mapped to these machine frames ({@code p2m_remove_page}).
   *
   * @return EILSEQ if one is not, EPERM if one is a device: nothing has changed; ENOMEM if a
   *     superpage could not be split: the frames below it are unmapped
   */
  Errno remove(@Gfn long gfn, @Mfn long mfn, int order);

  /**
   * Sets entries as they are given, without checks of what was there and of aliases: for hypervisor
   * parts that know ({@code p2m_set_entry}). The M2P follows.
   *
   * @param mfn first machine frame, or -1 for none
   * @return ENOMEM (the frames below the first that failed are set), EINVAL, EPERM for a frame that
   *     the domain may not have, EOPNOTSUPP if the format cannot express the access
   */
  Errno set(@Gfn long gfn, @Mfn long mfn, int order, P2mType type, P2mAccess access);

  /**
   * Changes the type of one frame ({@code p2m_change_type_one}).
   *
   * @return EBUSY if it is not {@code from}
   */
  Errno changeType(@Gfn long gfn, P2mType from, P2mType to);

  /**
   * Changes a range between RAM_RW and RAM_LOGDIRTY lazily ({@code p2m_change_type_range}): entries
   * are marked from the top and recalculated when next used.
   *
   * @return EINVAL; ENOMEM if a mapping lies across an end of the range and could not be split: the
   *     frames below it are changed, the others have their old type until they are recalculated for
   *     another reason or the call is repeated, which is allowed (Xen crashes the domain)
   */
  Errno changeTypeRange(@Gfn long first, long count, P2mType from, P2mType to);

  /** The same for all there is ({@code p2m_change_entry_type_global}). */
  Errno changeTypeGlobal(P2mType from, P2mType to);

  /**
   * Works off pending recalculation on the way to a frame, after an exit that it caused: an EPT
   * misconfiguration, or a nested fault on an entry with U/S clear ({@code resolve_misconfig},
   * {@code do_recalc}).
   *
   * @return OK if anything was fixed, ENOENT if there was nothing to do, ENOMEM
   */
  Errno recalculate(@Gfn long gfn);

  /**
   * How often {@link #recalculate}, or an operation on the way, fixed something. A trap on an entry
   * that another vCPU has repaired meanwhile finds nothing to fix; it was no mistake if this number
   * has changed since the vCPU last ran.
   */
  long repairs();

  /**
   * There is an ioreq server for writes to IOREQ_SERVER frames, or there is none any more and those
   * become ordinary memory, lazily ({@code p2m_set_ioreq_server}).
   *
   * @return EBUSY if there is one already or entries of the one before are left, EINVAL if there is
   *     none
   */
  Errno ioreqServer(boolean there);

  /**
   * Whether hardware logs writes itself (PML): then small EPT mappings of type RAM_LOGDIRTY are
   * writable, with D clear. For the backend, which knows the hardware.
   */
  void hardwareLogs(boolean on);

  /**
   * Whether violations on a frame are exits rather than #VE ({@code p2m_set_suppress_ve}).
   *
   * @return ESRCH if the frame is not mapped, EOPNOTSUPP if the format has no #VE
   */
  Errno suppressVe(@Gfn long gfn, boolean suppress);

  /**
   * Maps a device frame for pass-through, or a frame of another domain ({@code
   * set_typed_p2m_entry}).
   *
   * @param mfn not memory, for MMIO_DIRECT; of another domain for the others, referred to as long
   *     as it is mapped
   * @param order 0 for MAP_FOREIGN. What is there may be of any order
   * @param type MMIO_DIRECT, MAP_FOREIGN, GRANT_MAP_RW or GRANT_MAP_RO
   * @return EPERM if another special entry is there or the domain may not have the frame; ENOMEM,
   *     EBUSY, EINVAL, EOPNOTSUPP as for {@link #set}
   */
  Errno setSpecial(@Gfn long gfn, @Mfn long mfn, int order, P2mType type, P2mAccess access);

  /** Unmaps what {@link #setSpecial} mapped; EILSEQ if it is not that frame. */
  Errno clearSpecial(@Gfn long gfn, @Mfn long mfn, int order);

  /** Splits the superpage around a frame down to 4 KiB mappings; ENOMEM changes nothing. */
  Errno shatter(@Gfn long gfn);

  /** From now on changes need no flush each; nests. Frames are not freed meanwhile. */
  void deferFlushes();

  /** Ends {@link #deferFlushes}: one flush for all, then what was to be freed is. */
  void flushDeferred();

  /** One past the highest guest frame that was ever mapped. */
  @Gfn
  long end();

  /** How many frames of the pool the tables take. */
  long tableFrames();

  /**
   * How many guest frames have a type, as the tables stand: of RAM_RW, RAM_LOGDIRTY and
   * IOREQ_SERVER without what is pending. Of MMIO_DM, those that have an entry.
   */
  long frames(P2mType type);

  /** Recomputes all that should hold from scratch; a sentence for each thing that does not. */
  List<String> audit();
}
