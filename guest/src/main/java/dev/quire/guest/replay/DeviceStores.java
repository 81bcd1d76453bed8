// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.domain.Domain;
import dev.quire.guest.disturb.Disturber;
import org.jspecify.annotations.Nullable;

/** Writes to the guest's memory behind its back; whoever disturbs the guest hears of them first. */
final class DeviceStores {
  private final Domain domain;
  private final @Nullable Disturber disturber;

  DeviceStores(Domain domain, @Nullable Disturber disturber) {
    this.domain = domain;
    this.disturber = disturber;
  }

  /** A store of up to 8 bytes, within one frame. */
  void store(@Gpa long gpa, int bytes, long value) {
    if (disturber != null) {
      disturber.deviceWrites(Addresses.gpaToGfn(gpa));
    }
    domain.deviceStore(gpa, bytes, value);
  }

  /** The content of a page table that the recording follows from now on. */
  void table(@Gfn long gfn, long[] content) {
    if (disturber != null) {
      disturber.announces(gfn);
    }
    domain.deviceStoreFrame(gfn, content);
  }
}
