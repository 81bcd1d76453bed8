// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gpa;
import dev.quire.api.hw.Operation;
import dev.quire.api.x86.Access;
import dev.quire.guest.trace.TraceReader;

/**
 * The page-table stores of a window: each belongs to the write access before it, which is then no
 * probe but that store. A wide access has several, the first of which takes its place.
 */
final class WindowStores {
  private final GuestCpu cpu;

  /** The last access, if it was a write: flags, address, place, length. */
  private boolean open;

  /** Whether it still waits as the probe that it was recorded as. */
  private boolean isProbe;

  private long access;
  private long linear;
  private long place;
  private int bytes;
  private long record;

  WindowStores(GuestCpu cpu) {
    this.cpu = cpu;
  }

  /** The operation added last is an access of this length. */
  void accessed(int length, long itsRecord) {
    int last = cpu.size() - 1;
    long operation = cpu.operations()[last];
    open = (operation & Access.WRITE) != 0;
    isProbe = true;
    access = operation & Access.MASK;
    linear = Operation.linear(operation);
    place = cpu.expected()[last];
    bytes = length;
    record = itsRecord;
  }

  /** Something else happened: stores after it belong to no access before it. */
  void close() {
    open = false;
  }

  /**
   * Makes the stores of a PTSTORE record part of the last access.
   *
   * @return false if they are not in its bytes
   */
  boolean store(TraceReader reader) {
    long offset = reader.physical() - place;
    long length = (long) reader.storeCount() * reader.storeBytes();
    if (!open || offset < 0 || offset + length > bytes) {
      return false;
    }
    if (isProbe) {
      cpu.takeBack();
    }
    for (int i = 0; i < reader.storeCount(); i++) {
      long at = offset + (long) i * reader.storeBytes();
      @Gpa long to = Addresses.gpa(place + at);
      long from = isProbe ? record : reader.record();
      cpu.store(access, Addresses.gva(linear + at), reader.storeBytes(), reader.value(), to, from);
      isProbe = false;
    }
    return true;
  }
}
