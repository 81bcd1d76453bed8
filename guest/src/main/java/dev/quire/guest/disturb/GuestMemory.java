// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;

/** What is known of a guest's memory while it runs: its RAM, its tables, what it touched lately. */
final class GuestMemory {
  private static final int LATELY = 64;

  private final Domain domain;
  private final List<Ram> ram;
  private final List<Long> tables = new ArrayList<>();
  private final BitSet isTable = new BitSet();
  private final long[] lately = new long[LATELY];
  private int touched;

  GuestMemory(Domain domain) {
    this.domain = domain;
    ram = domain.spec().memory();
  }

  Domain domain() {
    return domain;
  }

  /** Whether there is a p2m just now. */
  boolean isTranslated() {
    return domain.isTranslated();
  }

  /** Whether guest frames shall stay on the machine frames of the same number. */
  boolean isPinned() {
    return domain.spec().placement() == DomainSpec.Placement.IDENTITY;
  }

  P2m p2m() {
    return domain.p2m();
  }

  PhysicalMemory machine() {
    return domain.machine().memory();
  }

  /** The guest has, or had, a page table here. */
  void table(@Gfn long gfn) {
    if (!isTable(gfn) && isRam(gfn)) {
      isTable.set((int) gfn);
      tables.add(gfn);
    }
  }

  boolean isTable(@Gfn long gfn) {
    return isTable.get((int) gfn);
  }

  /** Every frame that is or was a page table, in the order in which they became known. */
  List<Long> tables() {
    return tables;
  }

  void touched(@Gfn long gfn) {
    lately[touched++ % LATELY] = gfn;
  }

  boolean isRam(@Gfn long gfn) {
    long at = Addresses.gfnToGpa(gfn);
    return ram.stream().anyMatch(it -> at >= it.start() && at < it.start() + it.length());
  }

  /** One past the last frame of RAM. */
  @Gfn
  long end() {
    Ram last = ram.get(ram.size() - 1);
    return Addresses.gpaToGfn(Addresses.gpa(last.start() + last.length()));
  }

  /** A frame of RAM: any, one that was touched lately, or a page table. */
  @Gfn
  long anyFrame(Random random) {
    int choice = random.nextInt(4);
    if (choice == 0 && !tables.isEmpty()) {
      return Addresses.gfn(tables.get(random.nextInt(tables.size())));
    }
    if (choice == 1 && touched > 0) {
      return Addresses.gfn(lately[random.nextInt(Math.min(touched, LATELY))]);
    }
    return anywhere(random);
  }

  private @Gfn long anywhere(Random random) {
    Ram range = ram.get(random.nextInt(ram.size()));
    long frames = range.length() >>> Addresses.PAGE_SHIFT;
    @Gfn long first = Addresses.gpaToGfn(Addresses.gpa(range.start()));
    return Addresses.advance(first, (long) (random.nextDouble() * frames));
  }

  /** Whether the p2m has ordinary memory here: a frame that may be taken away or moved. */
  boolean isOrdinary(@Gfn long gfn) {
    long entry = p2m().get(gfn);
    P2mType type = P2mEntry.type(entry);
    return P2mEntry.hasFrame(entry) && (type == P2mType.RAM_RW || type == P2mType.RAM_LOGDIRTY);
  }

  /** The content of a guest frame, for reading. */
  long[] content(@Gfn long gfn) {
    return machine().frameToRead(domain.gfnToMfn(gfn));
  }

  @Mfn
  long mfn(@Gfn long gfn) {
    return P2mEntry.mfn(p2m().get(gfn));
  }
}
