// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;

/**
 * Where a domain's frames lie in the machine: all in a row.
 *
 * @param first its first guest frame
 * @param machine the machine frame of that
 * @param memory how much memory it has, from the first frame on. Unit: frames
 * @param reachable how many guest frames there are, those of devices included. Unit: frames
 */
record GuestFrames(@Gfn long first, @Mfn long machine, long memory, long reachable) {

  /** A domain's own memory, with guest frames from 0. */
  static GuestFrames fromZero(@Mfn long machine, long memory) {
    return new GuestFrames(Addresses.gfn(0), machine, memory, memory);
  }

  /** A domain's own memory, under the machine's numbers. */
  static GuestFrames identity(@Mfn long machine, long memory) {
    return new GuestFrames(Addresses.identityMfnToGfn(machine), machine, memory, memory);
  }

  /** The whole machine. */
  static GuestFrames everything(long memory, int physicalBits) {
    long reachable = 1L << physicalBits - Addresses.PAGE_SHIFT;
    return new GuestFrames(Addresses.gfn(0), Addresses.mfn(0), memory, reachable);
  }

  /** Whether guest frames are machine frames. */
  boolean isIdentity() {
    return Addresses.identityGfnToMfn(first) == machine;
  }

  @Mfn
  long toMachine(@Gfn long gfn) {
    long index = gfn - first;
    boolean exists = index >= 0 && index < reachable;
    return exists ? Addresses.advance(machine, index) : Addresses.mfn(FrameMapper.NONE);
  }
}
