// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.hw.memory.SparseMemory;
import dev.quire.hw.registers.ControlRegisters;
import java.util.List;
import org.mockito.Mockito;

/** Real memory and register rules, CPUs that follow a script. */
final class FakeMachine implements Machine {
  private final CpuProfile profile = CpuProfile.full(Vendor.INTEL, 40);
  private final ControlRegisterUnit registers = new ControlRegisters(profile);
  private final PhysicalMemory memory;
  private final PageWalker walker = Mockito.mock(PageWalker.class);
  private final ScriptedCpu[] cpus;

  FakeMachine(int cpus, Ram... ram) {
    memory = new SparseMemory(List.of(ram));
    this.cpus = new ScriptedCpu[cpus];
    for (int number = 0; number < cpus; number++) {
      this.cpus[number] = new ScriptedCpu(number);
    }
  }

  static FakeMachine ofFrames(int cpus, long frames) {
    return new FakeMachine(cpus, new Ram(0, frames << 12));
  }

  @Override
  public CpuProfile profile() {
    return profile;
  }

  @Override
  public PhysicalMemory memory() {
    return memory;
  }

  @Override
  public int cpus() {
    return cpus.length;
  }

  @Override
  public ScriptedCpu cpu(int number) {
    return cpus[number];
  }

  @Override
  public PageWalker walker() {
    return walker;
  }

  @Override
  public ControlRegisterUnit controlRegisters() {
    return registers;
  }
}
