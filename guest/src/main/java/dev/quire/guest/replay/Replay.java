// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Invalidation;
import dev.quire.api.x86.Translation;
import dev.quire.guest.disturb.Disturber;
import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceReader;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Goes through a recording, record by record, and has the guest do it again.
 *
 * <p>In a base file FILLs and FAULTs are the accesses that there are. In a window every access is
 * there, so a FILL is only compared, by a walk that changes and counts nothing.
 */
final class Replay {
  /** Makes what disturbs a guest, once it is known where its findings go. */
  @FunctionalInterface
  interface Disturb {
    Disturber with(Consumer<String> findings);
  }

  private final TraceReader reader;
  private final DifferenceLog log = new DifferenceLog();
  private final GuestCpu cpu;
  private final DeviceStores devices;
  private final PendingRegisters registers;
  private final StoreRouter router;
  private final WindowStores windowStores;
  private final @Nullable EntryCheck entries;
  private final @Nullable Disturber disturber;
  private final ReplayCounts counts = new ReplayCounts();
  private final boolean window;
  private boolean inInitialState;

  /**
   * A replay from the beginning.
   *
   * @param disturb makes what disturbs the guest meanwhile, from where its findings go; null to
   *     leave the guest alone
   */
  Replay(TraceReader reader, Domain domain, boolean checkAd, @Nullable Disturb disturb) {
    this.reader = reader;
    window = reader.header().window();
    inInitialState = window;
    cpu = new GuestCpu(domain, log);
    disturber =
        disturb == null ? null : disturb.with(what -> log.add(cpu.record(), what, List.of()));
    cpu.disturbedBy(disturber);
    devices = new DeviceStores(domain, disturber);
    registers = new PendingRegisters(cpu, log);
    router = new StoreRouter(domain, cpu, devices);
    windowStores = new WindowStores(cpu);
    entries = checkAd ? new EntryCheck(domain, log, !window) : null;
  }

  DifferenceLog log() {
    return log;
  }

  GuestCpu cpu() {
    return cpu;
  }

  ReplayCounts counts() {
    return counts;
  }

  StoreRouter router() {
    return router;
  }

  @Nullable Disturber disturber() {
    return disturber;
  }

  @Nullable EntryCheck entries() {
    return entries;
  }

  PendingRegisters registers() {
    return registers;
  }

  /** Whether there is nothing left to do: the recording is at its end, or the guest is dead. */
  boolean isOver() {
    return counts.of(Tag.END) > 0 || cpu.isDead();
  }

  /**
   * Goes one record further, or over a run of accesses.
   *
   * @param limit how many records in all may have been read afterwards
   */
  void step(long limit) {
    if (window && registers.isEmpty() && accesses(limit)) {
      return;
    }
    int tag = reader.next();
    counts.count(tag);
    record(tag);
    if (tag != Tag.TICK && tag != Tag.PTSTORE && tag != Tag.ACCESS) {
      windowStores.close();
    }
  }

  /** Has everything done that was read. */
  void finish() {
    registers.apply();
    cpu.run();
    if (entries != null) {
      entries.checkAll(reader.record());
    }
  }

  /** Takes a run of accesses; false if another record is next. */
  private boolean accesses(long limit) {
    int from = cpu.size();
    long room = Math.min(cpu.capacity() - from, limit - reader.record() - 1);
    int size = reader.accesses(cpu.operations(), cpu.expected(), from, from + (int) room);
    if (size == from) {
      return false;
    }
    cpu.added(size, reader.record());
    counts.accesses(size - from);
    if (size == cpu.capacity()) {
      cpu.runKeepingLastWrite();
    }
    if (cpu.size() > 0) {
      windowStores.accessed(reader.accessBytes(), reader.record());
    }
    return true;
  }

  private void record(int tag) {
    long value = reader.value();
    switch (tag) {
      case Tag.CR0 -> write(Kind.MOV_CR0, value);
      case Tag.CR3 -> write(Kind.MOV_CR3, value);
      case Tag.CR4 -> write(Kind.MOV_CR4, value);
      case Tag.EFER -> write(Kind.WRMSR_EFER, value);
      case Tag.PKRU -> write(Kind.WRPKRU, value);
      case Tag.CR0_IMPLICIT -> load(Kind.LOAD_CR0, value);
      case Tag.CR3_IMPLICIT -> load(Kind.LOAD_CR3, value);
      case Tag.CR4_IMPLICIT -> load(Kind.LOAD_CR4, value);
      case Tag.EFER_IMPLICIT -> load(Kind.LOAD_EFER, value);
      case Tag.PKRU_IMPLICIT -> load(Kind.LOAD_PKRU, value);
      case Tag.PDPTE -> pdptes();
      case Tag.INVLPG -> control(Kind.INVLPG, reader.linear(), 0);
      case Tag.INVPCID -> invpcid();
      case Tag.PTPAGE -> page();
      case Tag.RETIRE -> retire();
      case Tag.PTSTORE -> store();
      case Tag.FILL -> fill();
      case Tag.FAULT -> fault();
      case Tag.ACCESS -> access();
      case Tag.STATE_END -> inInitialState = false;
      default -> {} // TICK, IRQ, HLT, MARK, windows of a base file, END: nothing for paging
    }
  }

  // ---- registers ----

  private void write(Kind kind, long value) {
    registers.write(kind, value, reader.record());
  }

  private void load(Kind kind, long value) {
    registers.load(kind, value, reader.record());
  }

  private void pdptes() {
    if (inInitialState) {
      registers.loadPdptes(reader);
    } else {
      registers.expectPdptes(reader);
    }
  }

  private void control(Kind kind, long operand, long second) {
    registers.apply();
    cpu.control(kind, operand, second, reader.record());
  }

  private void invpcid() {
    long packed = Invalidation.pack(reader.kind(), (int) reader.value());
    control(Kind.INVPCID, reader.linear(), packed);
  }

  // ---- memory ----

  /** A page table's content, not stores of the guest: it is put in memory behind its back. */
  private void page() {
    cpu.run(); // but not the register writes that wait for this very page
    devices.table(reader.frame(), reader.page());
    if (entries != null) {
      entries.recorded().page(reader);
    }
  }

  private void retire() {
    if (entries != null) {
      entries.recorded().retire(reader.frame());
    }
  }

  private void store() {
    counts.stores(reader);
    if (entries != null) {
      entries.recorded().store(reader);
    }
    if (reader.storedByWalker()) {
      return; // what our own walker must have done, or will do for the access that follows
    }
    registers.apply();
    if (reader.storedByDevice()) {
      cpu.run();
      deviceStores();
    } else if (!window) {
      guestStores();
    } else if (!windowStores.store(reader)) {
      counts.strayStores(reader.storeCount());
      guestStores();
    }
  }

  private void deviceStores() {
    for (int i = 0; i < reader.storeCount(); i++) {
      long at = (long) i * reader.storeBytes();
      devices.store(Addresses.advance(reader.physical(), at), reader.storeBytes(), reader.value());
    }
  }

  private void guestStores() {
    long linear = router.store(reader);
    if (entries != null) {
      cpu.run();
      entries.checkStores(linear, reader);
    }
  }

  // ---- accesses ----

  private void access() {
    registers.apply();
    cpu.probe(reader.operation(), reader.physical(), reader.record());
    windowStores.accessed(reader.accessBytes(), reader.record());
    counts.accesses(1);
  }

  private void fill() {
    registers.apply();
    if (window) {
      cpu.run();
      compareFill();
      return;
    }
    long access = reader.access();
    cpu.probe(operation(), reader.physical(), reader.record());
    if ((access & Access.WRITE) != 0) {
      router.saw(reader.linear(), reader.physical());
    }
    if (entries != null) {
      cpu.run();
      entries.checkAccess(reader.linear(), access, reader.record());
    }
  }

  private long operation() {
    return Operation.access(reader.access(), reader.linear());
  }

  private void fault() {
    registers.apply();
    cpu.faultingProbe(operation(), (int) reader.value(), reader.record());
  }

  private void compareFill() {
    long translation = cpu.vcpu().translate(reader.linear(), reader.access(), null);
    boolean same =
        !Translation.isFault(translation)
            && WalkResult.address(cpu.vcpu(), reader.linear(), translation) == reader.physical()
            && WalkResult.pageShift(cpu.vcpu(), translation) == reader.pageShift()
            && (translation & Translation.GLOBAL) != 0 == reader.global();
    if (!same) {
      List<String> walk = Differences.walk(cpu.vcpu(), reader.linear(), reader.access());
      log.add(
          reader.record(),
          String.format(
              "the walk of 0x%x is not as recorded: to 0x%x, a page of 2^%d bytes%s",
              reader.linear(),
              reader.physical(),
              reader.pageShift(),
              reader.global() ? ", global" : ""),
          walk);
    }
  }
}
