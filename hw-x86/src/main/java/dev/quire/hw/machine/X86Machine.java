// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.machine;

import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.CpuProfile;
import dev.quire.hw.kernel.X86Cpu;
import dev.quire.hw.memory.SparseMemory;
import dev.quire.hw.registers.ControlRegisters;
import java.util.ArrayList;
import java.util.List;

/** A machine as its specification says. */
final class X86Machine implements Machine {
  private final MachineSpec spec;
  private final SparseMemory memory;
  private final ControlRegisterUnit registers;
  private final PageWalker walker;
  private final List<Cpu> cpus = new ArrayList<>();

  X86Machine(MachineSpec spec) {
    this.spec = spec;
    memory = new SparseMemory(spec.ram());
    registers = new ControlRegisters(spec.profile());
    walker = new SoftwareWalker(memory);
    for (int number = 0; number < spec.cpus(); number++) {
      cpus.add(cpu(spec, number));
    }
  }

  private Cpu cpu(MachineSpec ofSpec, int number) {
    Counters counters = new Counters();
    CpuProfile profile = ofSpec.profile();
    return new X86Cpu(
        number,
        profile,
        memory,
        registers,
        counters,
        TranslationUnits.of(ofSpec, number, memory, counters));
  }

  @Override
  public CpuProfile profile() {
    return spec.profile();
  }

  @Override
  public PhysicalMemory memory() {
    return memory;
  }

  @Override
  public int cpus() {
    return cpus.size();
  }

  @Override
  public Cpu cpu(int number) {
    return cpus.get(number);
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
