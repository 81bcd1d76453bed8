// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.x86.CpuProfile;
import org.osgi.annotation.versioning.ProviderType;

/** A simulated x86 machine: memory, CPUs and their rules. */
@ProviderType
public interface Machine {
  /** What the CPUs can do. */
  CpuProfile profile();

  /** The memory that all CPUs share. */
  PhysicalMemory memory();

  /** How many CPUs there are. */
  int cpus();

  /**
   * One CPU.
   *
   * @param number from 0
   */
  Cpu cpu(int number);

  /** The walker for everybody but the CPUs. */
  PageWalker walker();

  /** The rules of writing control registers. */
  ControlRegisterUnit controlRegisters();
}
