// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import java.util.List;

/** Memory in which something can happen before somebody is given a frame to read. */
final class WatchedMemory implements PhysicalMemory {
  private final PhysicalMemory real;
  Runnable meanwhile = () -> {};

  WatchedMemory(PhysicalMemory real) {
    this.real = real;
  }

  @Override
  public long[] frameToRead(long mfn) {
    meanwhile.run();
    return real.frameToRead(mfn);
  }

  @Override
  public List<Ram> ram() {
    return real.ram();
  }

  @Override
  public boolean isRam(long address) {
    return real.isRam(address);
  }

  @Override
  public long[] frame(long mfn) {
    return real.frame(mfn);
  }

  @Override
  public boolean isHome(long mfn) {
    return real.isHome(mfn);
  }

  @Override
  public long load(long address, int bytes) {
    return real.load(address, bytes);
  }

  @Override
  public void store(long address, int bytes, long value) {
    real.store(address, bytes, value);
  }

  @Override
  public long compareExchange(long address, int bytes, long expected, long replacement) {
    return real.compareExchange(address, bytes, expected, replacement);
  }

  @Override
  public long framesInUse() {
    return real.framesInUse();
  }
}
