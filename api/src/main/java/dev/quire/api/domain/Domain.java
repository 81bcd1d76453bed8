// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.Machine;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.Resolution;
import java.util.Map;
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

  /**
   * The guest frame that a machine frame is (M2P).
   *
   * @param mfn machine frame number
   * @return guest frame number, or {@link dev.quire.api.hw.FrameMapper#NONE} if the frame is not
   *     the guest's or is mapped nowhere
   */
  @Gfn
  long mfnToGfn(@Mfn long mfn);

  /** What was asked for when the domain was made. */
  DomainSpec spec();

  /**
   * Whether every guest frame of its memory is the machine frame of the same number, ordinary
   * memory, and nothing else is mapped: a guest that runs its own tables on the bare machine
   * notices no difference. Costs a walk over the p2m if there is one: for attaches, not for hot
   * paths.
   */
  boolean isIdentity();

  /** Whether a p2m lies between guest frames and machine frames. */
  boolean isTranslated();

  /**
   * The p2m. It is built when a backend attaches that {@linkplain
   * dev.quire.api.paging.PagingBackend#p2mFormat needs one}, is another object after a backend
   * attached that needs another format, and goes when one attaches that runs the guest on the bare
   * machine.
   *
   * @throws IllegalStateException unless {@link #isTranslated}
   */
  P2m p2m();

  /** What its guest interface holds of it; null if the guest makes no hypercalls (HVM). */
  @Nullable InterfaceDomain guestInterface();

  /** Memory for tables that are not the guest's. */
  PagingPool pool();

  /** Which frames were written since one last looked. */
  LogDirty logDirty();

  /** The backend's hold on the domain. */
  PagingDomain paging();

  /** The name of the backend. */
  String backend();

  /**
   * What the backends counted that serve or served the domain: by the backend's name, then by what
   * is counted, summed over several times of the same one. In the order in which they first served
   * it.
   */
  Map<String, Map<String, Long>> statistics();

  /**
   * Handles a nested fault by what the p2m says of the frame: devices and discarded writes are
   * emulated, writes to logged frames are noted, frames that a monitor closed are opened, what
   * cannot be is the domain's crash. The common part of {@link
   * dev.quire.api.paging.PagingMode#nestedFault}, after what is the backend's own; Xen's {@code
   * hvm_hap_nested_page_fault}.
   *
   * @param vcpu out of its block; details are in its control block
   */
  Resolution nestedFault(Vcpu vcpu);

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
