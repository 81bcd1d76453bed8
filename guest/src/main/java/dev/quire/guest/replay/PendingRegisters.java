// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Efer;
import dev.quire.guest.trace.TraceReader;
import java.util.List;

/**
 * Register writes that are recorded but not yet run. A write may name a root table whose content
 * the recording gives only afterwards, so writes wait until something is recorded that depends on
 * them; pages that come meanwhile are in memory when they run.
 */
final class PendingRegisters {
  private static final int CAPACITY = 16;

  /** Writes by an instruction, and at the same places the loads of those registers. */
  private static final List<Kind> REGISTERS =
      List.of(Kind.MOV_CR0, Kind.MOV_CR3, Kind.MOV_CR4, Kind.WRMSR_EFER, Kind.WRPKRU);

  private static final List<Kind> LOADS =
      List.of(Kind.LOAD_CR0, Kind.LOAD_CR3, Kind.LOAD_CR4, Kind.LOAD_EFER, Kind.LOAD_PKRU);

  private final GuestCpu cpu;
  private final DifferenceLog log;
  private final Kind[] kinds = new Kind[CAPACITY];
  private final long[] values = new long[CAPACITY];
  private final long[] seconds = new long[CAPACITY];
  private final long[] records = new long[CAPACITY];
  private int size;

  /** By register: its value, and the one before the last write. */
  private final long[] now = new long[REGISTERS.size()];

  private final long[] before = new long[REGISTERS.size()];
  private long lastWrite = -1;

  private final long[] pdptes = new long[Registers.PDPTES];
  private long pdpteRecord = -1;
  private long compared;

  PendingRegisters(GuestCpu cpu, DifferenceLog log) {
    this.cpu = cpu;
    this.log = log;
  }

  boolean isEmpty() {
    return size == 0 && pdpteRecord < 0;
  }

  /** How many times the PDPTE registers were compared. */
  long comparedPdptes() {
    return compared;
  }

  /** An instruction wrote a register. */
  void write(Kind kind, long value, long record) {
    int register = REGISTERS.indexOf(kind);
    before[register] = now[register];
    now[register] = kind == Kind.WRMSR_EFER ? value & ~Efer.LMA | now[register] & Efer.LMA : value;
    lastWrite = record;
    add(kind, value, 0, record);
  }

  /**
   * A register has a value without an instruction that wrote it. The recorder looks at registers
   * while it writes the record of an instruction, when that is not done yet: what it sees then, the
   * old value directly behind the record of the new one, was never there for the guest.
   */
  void load(Kind kind, long value, long record) {
    int register = LOADS.indexOf(kind);
    boolean seenTooEarly = record == lastWrite + 1 && value == before[register];
    if (!seenTooEarly || value == now[register]) {
      now[register] = value;
      add(kind, value, 0, record);
    }
  }

  private void add(Kind kind, long value, long second, long record) {
    if (size == CAPACITY || pdpteRecord >= 0) {
      apply();
    }
    kinds[size] = kind;
    values[size] = value;
    seconds[size] = second;
    records[size++] = record;
  }

  /** The PDPTE registers get the values of a record. */
  void loadPdptes(TraceReader reader) {
    for (int i = 0; i < Registers.PDPTES; i++) {
      add(Kind.LOAD_PDPTE, reader.pdpte(i), i, reader.record());
    }
  }

  /** The writes up to here must have latched the values of a record. */
  void expectPdptes(TraceReader reader) {
    if (pdpteRecord >= 0) {
      apply();
    }
    for (int i = 0; i < Registers.PDPTES; i++) {
      pdptes[i] = reader.pdpte(i);
    }
    pdpteRecord = reader.record();
  }

  /** Adds the writes to what the guest does; call it before anything that depends on them. */
  void apply() {
    for (int i = 0; i < size; i++) {
      cpu.control(kinds[i], values[i], seconds[i], records[i]);
    }
    size = 0;
    if (pdpteRecord >= 0) {
      cpu.run();
      compare(cpu.vcpu());
      pdpteRecord = -1;
    }
  }

  private void compare(Vcpu vcpu) {
    compared++;
    for (int i = 0; i < Registers.PDPTES; i++) {
      long latched = pdpte(vcpu, i);
      if (latched != pdptes[i]) {
        log.add(
            pdpteRecord,
            String.format("PDPTE register %d is 0x%x, recorded is 0x%x", i, latched, pdptes[i]),
            List.of());
      }
    }
  }

  /**
   * Under NPT there are no such registers: each walk reads the entry in memory (APM vol. 2,
   * 15.25.10).
   */
  private static long pdpte(Vcpu vcpu, int index) {
    if (vcpu.control().nested().format != NestedPaging.Format.NPT) {
      return vcpu.registers().pdptes[index];
    }
    long table = vcpu.registers().cr3 & Cr3.ROOT_PAE;
    return vcpu.domain().deviceLoad(Addresses.gpa(table + 8L * index), Long.BYTES);
  }
}
