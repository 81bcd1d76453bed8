// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.hw.memory.SparseMemory;
import java.util.List;

/** Memory and its width, and nothing that runs. */
final class BareMachine implements Machine {
  private final CpuProfile profile = CpuProfile.full(Vendor.INTEL, 40);
  private final WatchedMemory memory;

  BareMachine(long frames) {
    memory = new WatchedMemory(new SparseMemory(List.of(new Ram(0, frames << 12))));
  }

  @Override
  public CpuProfile profile() {
    return profile;
  }

  @Override
  public WatchedMemory memory() {
    return memory;
  }

  @Override
  public int cpus() {
    return 0;
  }

  @Override
  public Cpu cpu(int number) {
    throw new IndexOutOfBoundsException(number);
  }

  @Override
  public PageWalker walker() {
    throw new UnsupportedOperationException();
  }

  @Override
  public ControlRegisterUnit controlRegisters() {
    throw new UnsupportedOperationException();
  }
}
