// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The machine that streams run on, and their address spaces; C kernels build the same. */
public final class StreamMachine {
  /** First-level TLBs of 64 x 4, a second level of 1536 x 12, caches of 4x8, 2x4 and 1x4. */
  static final TlbGeometry GEOMETRY =
      new TlbGeometry(
          List.of(new Tlb(new Array(16, 4), 1)),
          List.of(new Tlb(new Array(16, 4), 1)),
          List.of(new Tlb(new Array(128, 12), 1)),
          List.of(new Array(4, 8), new Array(2, 4), new Array(1, 4), Array.NONE),
          Replacement.LRU);

  /** Key 0 is open, the others are closed: what Linux gives a new process. */
  static final int PKRU = 0x55555554;

  private static final long CR0 = Cr0.PG | Cr0.PE | Cr0.WP;
  private static final long CR4 = Cr4.PAE | Cr4.PGE | Cr4.SMEP | Cr4.SMAP | Cr4.PKE;
  private static final long EFER = Efer.LME | Efer.LMA | Efer.NXE;

  private static final int PHYSICAL_BITS = 40;
  private static final long RAM = 16L << 30;

  private final Machine machine;
  private final StreamTables tables;

  /** A machine with nothing mapped. */
  public StreamMachine() {
    this(GEOMETRY);
  }

  private StreamMachine(@Nullable TlbGeometry geometry) {
    MachineSpec spec =
        MachineSpec.bare(CpuProfile.full(Vendor.INTEL, PHYSICAL_BITS))
            .withRam(List.of(new Ram(0, RAM)))
            .withTlb(geometry)
            .withTraining(true);
    machine = Services.only(MachineFactory.class).create(spec);
    tables = new StreamTables(number -> machine.memory().frame(Addresses.mfn(number)));
  }

  /** The same without any caches. */
  static StreamMachine uncached() {
    return new StreamMachine(null);
  }

  /** One past the last table. Unit: frames. */
  long tables() {
    return tables.end();
  }

  /** The machine. */
  public Machine machine() {
    return machine;
  }

  /** Its only CPU. */
  public Cpu cpu() {
    return machine.cpu(0);
  }

  /** Maps a stream's pages in tables of its own; answers what to run it with. */
  public ControlBlock addressSpace(Stream stream, int tag) {
    return control(tables.map(stream), tag);
  }

  /** With everything in force that four levels know, but no PCIDs. */
  static ControlBlock control(long root, int tag) {
    ControlBlock control = new ControlBlock();
    control.tag(tag);
    Registers registers = control.registers();
    registers.cr0 = CR0;
    registers.cr3 = root;
    registers.cr4 = CR4;
    registers.efer = EFER;
    registers.pkru = PKRU;
    return control;
  }
}
