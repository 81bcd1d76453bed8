// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.StartInfo;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import java.util.HashMap;
import java.util.Map;

/**
 * Grants of two domains to each other, as steps make them: what each may reach of the other's by
 * the answers to its own calls. A mapping that was unmapped gives no right any more.
 */
final class TortureGrants {
  /** Guest frame at which a domain sees its own table of grants. */
  static final int TABLE_PAGE = TortureWorld.FRAMES - 3;

  private static final int CALL = 20;
  private static final int MAP = 0;
  private static final int UNMAP = 1;
  private static final int SETUP = 2;
  private static final int TRANSFER = 4;
  private static final int REPLACE = 7;
  private static final int REFS = 8;

  /** A status that stays where no call has been made. */
  private static final long REFUSED = 0xffff;

  private static final int DEVICE = 1;
  private static final int HOST = 2;
  private static final int READ_ONLY = 4;
  private static final int CONTAINS_PTE = 16;
  private static final long WRITABLE =
      PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A | PageEntry.D;

  private final Domain[] domains;
  private final OperationBlock block;

  /** By handle: frame, and the domain that grants it. */
  private final Map<Long, Mapping> first = new HashMap<>();

  private final Map<Long, Mapping> second = new HashMap<>();

  /** The operation in the block whose result says how it went. */
  private int told;

  /** What a handle stands for, as far as the host is concerned. */
  private record Mapping(long address, @Mfn long mfn, int owner) {}

  TortureGrants(Domain[] domains, OperationBlock block) {
    this.domains = domains;
    this.block = block;
  }

  private Map<Long, Mapping> of(int domain) {
    return domain == 0 ? first : second;
  }

  /** Lets a domain see its own table. */
  void setUp(int domain, long list) {
    block.clear();
    put(list, TortureWorld.SELF | 1L << 32, 0, list + 32);
    block.hypercall(CALL, SETUP, list, 1, 0, 0);
    int at = block.load(Access.of(0, false, false), Addresses.gva(list + 32), Long.BYTES);
    run(domain);
    long shared = block.results()[at];
    block.clear();
    block.hypercall(14, linear(TABLE_PAGE, 0), shared << 12 | WRITABLE, 2, 0, 0);
    run(domain);
  }

  private void run(int domain) {
    RunResult result = domains[domain].vcpu(0).run(block);
    if (result != RunResult.DONE) {
      throw new IllegalStateException("a domain cannot set up its grants: " + result);
    }
  }

  private static long linear(int page, int slot) {
    return StartInfo.BASE + ((long) page << 12) + slot * 8L;
  }

  private void put(long list, long... words) {
    for (int i = 0; i < words.length; i++) {
      block.store(Access.of(0, false, false), Addresses.gva(list + i * 8L), 8, words[i]);
    }
  }

  // ---- operations ----

  /** Grants a page to the other domain, or waits for one of it. */
  void grant(TortureStep it, long mfn) {
    int kind = it.command() == 3 ? 2 : 1 | (it.foreign() ? READ_ONLY : 0);
    long entry = kind | (1L - it.domain()) << 16 | mfn << 32;
    block.store(
        Access.of(0, false, false),
        Addresses.gva(linear(TABLE_PAGE, it.slot() % REFS)),
        Long.BYTES,
        entry);
  }

  /** Where a host's mapping is asked for, in either way. */
  private static long address(TortureStep it, long page) {
    return byEntry(it) ? page << 12 | it.slot() * 8L : it.linear() & -4096;
  }

  private static boolean byEntry(TortureStep it) {
    return it.command() == 3;
  }

  void map(TortureStep it, long list, long page) {
    int flags = it.target() % 8 == 0 ? DEVICE : it.target() % 8 == 1 ? HOST | DEVICE : HOST;
    flags |= it.target() % 3 == 0 ? READ_ONLY : 0;
    flags |= byEntry(it) ? CONTAINS_PTE : 0;
    long ref = (long) (it.target() % REFS) << 32;
    put(list, address(it, page), flags | ref, 1 - it.domain() | REFUSED << 16, 0);
    call(MAP, list);
  }

  void unmap(TortureStep it, long list, long page) {
    long handle = it.target() % REFS;
    Mapping known = of(it.domain()).get(handle);
    long address = known != null && it.command() != 1 ? known.address() : address(it, page);
    boolean replace = it.command() == 2;
    long device = known != null && it.foreign() ? known.mfn() << 12 : 0;
    put(list, address, replace ? it.linear() & -4096 : device, handle | REFUSED << 32);
    call(replace ? REPLACE : UNMAP, list);
  }

  void transfer(TortureStep it, long list, long page) {
    put(list, page, 1 - it.domain() | (long) (it.slot() % REFS) << 32, 0);
    call(TRANSFER, list);
  }

  private void call(int command, long list) {
    block.hypercall(CALL, command, list, 1, 0, 0);
    told = block.load(Access.of(0, false, false), Addresses.gva(list + 16), Long.BYTES);
    block.load(Access.of(0, false, false), Addresses.gva(list + 24), Long.BYTES);
  }

  // ---- what came of them ----

  /** The step was made. */
  void done(TortureStep it, long page, FrameTable frames) {
    long answer = block.results()[told];
    Map<Long, Mapping> known = of(it.domain());
    if (it.kind() == TortureStep.Kind.GRANT_MAP && (short) (answer >>> 16) == 0) {
      @Mfn long mfn = Addresses.maddrToMfn(Addresses.maddr(block.results()[told + 1]));
      known.put(answer >>> 32, new Mapping(address(it, page), mfn, frames.owner(mfn)));
    } else if (it.kind() == TortureStep.Kind.GRANT_UNMAP && (short) (answer >>> 32) == 0) {
      known.remove((long) it.target() % REFS);
    }
  }

  /** Whether a domain has mapped a frame of another's that it has not unmapped since. */
  boolean permits(int domain, @Mfn long mfn, FrameTable frames) {
    int owner = frames.owner(mfn);
    return of(domain).values().stream().anyMatch(it -> it.mfn() == mfn && it.owner() == owner);
  }
}
