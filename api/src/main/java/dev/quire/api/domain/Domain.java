// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.Machine;
import dev.quire.api.paging.PagingDomain;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;

/** A guest: its memory, its vCPUs and the backend that is attached to it. */
@ProviderType
public interface Domain {
  /** Its number, from 0. */
  int id();

  /** The machine it runs on. */
  Machine machine();

  /** How many vCPUs it has. */
  int vcpus();

  /**
   * One vCPU.
   *
   * @param number from 0
   */
  Vcpu vcpu(int number);

  /**
   * The machine frame behind a guest frame.
   *
   * @param gfn guest frame number
   * @return machine frame number, or {@link dev.quire.api.hw.FrameMapper#NONE}
   */
  @Mfn
  long gfnToMfn(@Gfn long gfn);

  /** Whether guest frames are machine frames. */
  boolean isIdentity();

  /** The first guest frame of its memory: 0 unless guest frames are machine frames. */
  @Gfn
  long firstFrame();

  /** How much memory it has, in a row from {@link #firstFrame}. Unit: frames. */
  long frames();

  /** The backend's hold on the domain. */
  PagingDomain paging();

  /** The name of the backend. */
  String backend();

  /**
   * Writes guest memory as a device does: no vCPU, no rights, the backend is told.
   *
   * @param gpa guest-physical address
   * @param bytes 1, 2, 4 or 8, within one frame
   * @param value what to store
   */
  void deviceStore(@Gpa long gpa, int bytes, long value);

  /**
   * Writes a whole frame as a device does.
   *
   * @param gfn guest frame number
   * @param content 512 quadwords
   */
  void deviceStoreFrame(@Gfn long gfn, long[] content);

  /** Reads guest memory as a device does. */
  long deviceLoad(@Gpa long gpa, int bytes);

  /** Why the domain crashed; null while it lives. */
  @Nullable String crashReason();
}
