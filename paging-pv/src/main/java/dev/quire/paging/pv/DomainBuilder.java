// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.domain.StartInfo;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import java.nio.charset.StandardCharsets;

/**
 * Builds what a PV guest begins with, in guest frames from 0 on: {@link StartInfo}, the list of
 * machine frames, and tables that map all of its memory from {@link StartInfo#BASE} on.
 *
 * <p>The first domain is built as Xen builds dom0: it knows every reference, and so declares types
 * and counts. Any other is built as a toolstack builds it, from outside: tables are written as data
 * and then pinned by the call that guests make, which validates them.
 */
final class DomainBuilder {
  private static final int INDEX_BITS = 9;
  private static final int LEVELS = 4;

  /** Of tables that a toolstack writes; validation adds what the hypervisor wants. */
  private static final long LEAF = PageEntry.P | PageEntry.A;

  private static final long UPPER =
      PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A | PageEntry.D;

  private static final long CR0 = Cr0.PG | Cr0.PE | Cr0.MP | Cr0.ET | Cr0.NE | Cr0.WP | Cr0.AM;
  private static final long CR4 = Cr4.PAE | Cr4.PGE | Cr4.PSE;
  private static final long EFER = Efer.LME | Efer.LMA | Efer.NXE | Efer.SCE;

  private final PvDomain pv;
  private final DomainHost host;
  private final Domain domain;
  private final PhysicalMemory memory;
  private final long pages;

  /** First frame of each level's tables, and one past the last of level 1. */
  private final long[] firstTable = new long[LEVELS + 1];

  private final long listFrames;

  DomainBuilder(PvDomain pv) {
    this.pv = pv;
    host = pv.host();
    domain = host.domain();
    memory = domain.machine().memory();
    pages = domain.spec().frames();
    listFrames = tables(pages, 1);
    long next = 1 + listFrames;
    for (int level = LEVELS; level > 0; level--) {
      firstTable[level] = next;
      next += tables(pages, level);
    }
    firstTable[0] = next;
  }

  /** How many tables of a level so many frames need. */
  private static long tables(long frames, int level) {
    return (frames - 1 >>> INDEX_BITS * level) + 1;
  }

  /**
   * Builds.
   *
   * @throws IllegalArgumentException if there is no room
   */
  void build() {
    if (firstTable[0] >= pages || domain.gfnToMfn(Addresses.gfn(pages - 1)) == FrameMapper.NONE) {
      throw new IllegalArgumentException(
          "a PV guest needs memory in one range from 0 on, and more than " + pages + " frames");
    }
    boolean first = pv.id() == 0;
    writeList();
    writeTables(first ? PageEntry.US | EntryRules.GUEST_KERNEL : 0);
    writeStartInfo(share(), first);
    @Mfn long root = frame(firstTable[LEVELS]);
    if (first) {
      declare(root);
    } else {
      require(pin(root), "pinning");
    }
    for (int number = 0; number < domain.vcpus(); number++) {
      PvVcpu vcpu = pv.vcpu(number);
      registers(vcpu);
      if (first && number == 0) {
        vcpu.roots().adopt(root);
      } else {
        require(vcpu.roots().begin(root), "loading");
      }
    }
  }

  private static void require(Errno result, String what) {
    if (!result.isOk()) {
      throw new IllegalStateException(what + " the bootstrap tables: " + result);
    }
  }

  private @Mfn long frame(long gfn) {
    return domain.gfnToMfn(Addresses.gfn(gfn));
  }

  private void store(long gfn, long quadword, long value) {
    @Maddr long at = Addresses.mfnToMaddr(frame(gfn), quadword << 3);
    memory.store(at, Long.BYTES, value);
  }

  // ---- content ----

  private void writeList() {
    for (long gfn = 0; gfn < pages; gfn++) {
      store(1 + (gfn >>> INDEX_BITS), gfn & EntryRules.SLOTS - 1, frame(gfn));
    }
  }

  private void writeTables(long leafMore) {
    for (long gfn = 0; gfn < pages; gfn++) {
      long rights = isTable(gfn) ? 0 : PageEntry.RW;
      entry(1, gfn, Addresses.mfnToMaddr(frame(gfn)) | LEAF | rights | leafMore);
    }
    for (int level = 2; level <= LEVELS; level++) {
      for (long table = 0; table < tables(pages, level - 1); table++) {
        @Mfn long below = frame(firstTable[level - 1] + table);
        entry(level, table, Addresses.mfnToMaddr(below) | UPPER);
      }
    }
  }

  private boolean isTable(long gfn) {
    return gfn >= firstTable[LEVELS] && gfn < firstTable[0];
  }

  /** Writes the entry of a level that is so many from the one of the base. */
  private void entry(int level, long number, long value) {
    long index = (StartInfo.BASE >>> Addresses.PAGE_SHIFT + INDEX_BITS * (level - 1)) + number;
    store(firstTable[level] + (number >>> INDEX_BITS), index & EntryRules.SLOTS - 1, value);
  }

  private void writeStartInfo(@Mfn long shared, boolean first) {
    byte[] magic = StartInfo.MAGIC.getBytes(StandardCharsets.US_ASCII);
    for (int i = 0; i < magic.length; i++) {
      memory.store(Addresses.mfnToMaddr(frame(0), i), 1, magic[i]);
    }
    store(0, StartInfo.PAGES >>> 3, pages);
    store(0, StartInfo.SHARED_INFO >>> 3, Addresses.mfnToMaddr(shared));
    store(0, StartInfo.FLAGS >>> 3, first ? 3 : 0);
    store(0, StartInfo.PAGETABLES >>> 3, linear(firstTable[LEVELS]));
    store(0, StartInfo.PAGETABLE_FRAMES >>> 3, firstTable[0] - firstTable[LEVELS]);
    store(0, StartInfo.MFN_LIST >>> 3, linear(1));
  }

  private static long linear(long gfn) {
    return StartInfo.BASE + (gfn << Addresses.PAGE_SHIFT);
  }

  /** The page that guest and hypervisor share ({@code share_xen_page_with_guest}). */
  private @Mfn long share() {
    PagingWork work = pv.vcpu(0).work();
    @Mfn long mfn = pv.lend(work);
    if (mfn == FrameMapper.NONE || !pv.grants().grow(1, work)) {
      throw new IllegalArgumentException("no memory for what guest and hypervisor share");
    }
    return mfn;
  }

  // ---- types ----

  /** Every frame is mapped once: tables have their parent beside that, the root pin and vCPU. */
  private void declare(@Mfn long root) {
    FrameTable frames = host.frames();
    pv.tables().installHypervisorSlots(root);
    for (long gfn = 0; gfn < pages; gfn++) {
      int level = level(gfn);
      FrameType type = level == 0 ? FrameType.WRITABLE : FrameType.table(level);
      long typeWord = FrameWords.of(type) | FrameWords.VALIDATED | 1;
      long countWord = FrameWords.ALLOCATED | (level == 0 ? 2 : 3);
      boolean top = level == LEVELS;
      frames.declare(
          frame(gfn),
          top ? typeWord + 1 | FrameWords.PINNED : typeWord,
          top ? countWord + 1 : countWord);
    }
  }

  private int level(@Gfn long gfn) {
    for (int level = LEVELS; level > 0; level--) {
      if (gfn >= firstTable[level] && gfn < firstTable[level - 1]) {
        return level;
      }
    }
    return 0;
  }

  private Errno pin(@Mfn long root) {
    PvVcpu vcpu = pv.vcpu(0);
    Errno result;
    do {
      vcpu.beginCall();
      result = pv.tables().pin(root, LEVELS, vcpu.work());
    } while (result == Errno.ERESTART);
    return result;
  }

  private static void registers(PvVcpu vcpu) {
    Registers registers = vcpu.vcpu().registers();
    registers.cr0 = CR0;
    registers.cr4 = CR4;
    registers.efer = EFER;
    vcpu.vcpu().control().kernelIsUser(true);
  }
}
