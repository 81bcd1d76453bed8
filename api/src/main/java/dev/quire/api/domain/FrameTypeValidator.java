// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Mfn;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * What a frame of each type may contain; registered by a guest interface for the frames of its
 * domain. Called by the {@link FrameTable}, which has committed the type and keeps others out.
 */
@ConsumerType
public interface FrameTypeValidator {
  /**
   * Checks a frame's content and takes the references that it stands for, from where {@link
   * FrameTable#validated} says.
   *
   * @param type as in {@link FrameTable#getType}
   * @return OK; ERESTART or EINTR if work must be put off; an error, with nothing held, or with the
   *     frame itself {@linkplain PagingWork#defer put off} so that what it holds is given back
   *     later
   */
  Errno validate(@Mfn long mfn, long type, PagingWork work);

  /**
   * Gives back the references that a frame's content stands for.
   *
   * @return OK, ERESTART or EINTR
   */
  Errno devalidate(@Mfn long mfn, long type, PagingWork work);

  /**
   * A frame that was not to be written will be, or the other way round: what lies between the guest
   * and its devices must know. The type is committed and every TLB has forgotten the old one.
   *
   * @return an error takes the type reference back
   */
  default Errno writabilityChanged(@Mfn long mfn, boolean writable) {
    return Errno.OK;
  }
}
