// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import java.util.ServiceLoader;

/**
 * A guest of 16 frames under 4-level paging: tables in its frames 0 to 3, the others mapped in a
 * row from {@link #DATA}.
 */
final class SmallGuest {
  static final int FRAMES = 16;
  static final int TABLES = 4;
  static final long DATA = 0x40_0000L;
  static final long FLAGS = PageEntry.P | PageEntry.RW | PageEntry.US;

  final Domain domain;

  SmallGuest(Domain domain) {
    this.domain = domain;
    for (int level = 4; level > 1; level--) {
      int index = level == 2 ? (int) (DATA >>> 21) : 0;
      domain.deviceStore(frame(4 - level) + 8L * index, 8, frame(5 - level) | FLAGS);
    }
    for (int i = TABLES; i < FRAMES; i++) {
      domain.deviceStore(entryOf(i), 8, frame(i) | FLAGS);
    }
  }

  static MachineFactory machines() {
    return ServiceLoader.load(MachineFactory.class).findFirst().orElseThrow();
  }

  /** Guest-physical address of its frame with this number. */
  long frame(int number) {
    return Addresses.gpa(domain.spec().memory().get(0).start() + ((long) number << 12));
  }

  /** Guest-physical address of the last-level entry of a data frame. */
  long entryOf(int number) {
    return frame(TABLES - 1) + 8L * (number - TABLES);
  }

  /** Linear address of a data frame. */
  static long linear(int number) {
    return DATA + (long) (number - TABLES << 12);
  }

  /** From reset to long mode by the instructions that a kernel uses. */
  void boot(int vcpu) {
    OperationBlock block = new OperationBlock(8);
    block.control(Kind.MOV_CR0, Cr0.PE);
    block.control(Kind.MOV_CR4, Cr4.PAE | Cr4.PGE);
    block.control(Kind.MOV_CR3, frame(0));
    block.control(Kind.WRMSR_EFER, Efer.LME | Efer.NXE);
    block.control(Kind.MOV_CR0, Cr0.PE | Cr0.PG | Cr0.WP);
    assertThat(run(vcpu, block)).isEqualTo(RunResult.DONE);
  }

  RunResult run(int vcpu, OperationBlock block) {
    return domain.vcpu(vcpu).run(block);
  }

  Vcpu vcpu() {
    return domain.vcpu(0);
  }

  /** Writes one word to each data frame. */
  static OperationBlock stores(long value) {
    OperationBlock block = new OperationBlock(FRAMES);
    for (int i = TABLES; i < FRAMES; i++) {
      block.store(Access.of(0, true, false), linear(i), 8, value + i);
    }
    return block;
  }
}
