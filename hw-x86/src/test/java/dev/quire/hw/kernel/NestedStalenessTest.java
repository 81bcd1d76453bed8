// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr4;
import dev.quire.hw.reference.Shape;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

/**
 * Each invalidation of a hypervisor's, left out and then made up for. A table is changed: now the
 * staleness oracle finds what the caches should not have any more, and goes on finding it however
 * often the guest uses it. The invalidation is executed: it finds nothing. One that does nothing,
 * or too little, fails here.
 */
class NestedStalenessTest {
  private static final long PAGE = 0x7f0000001000L;
  private static final long NEIGHBOUR = 0x7f0000002000L;
  private static final long GLOBAL = 0x7f0000003000L;
  private static final long DATA = 0x7000000;
  private static final long GLOBAL_DATA = DATA + 0x5000;
  private static final long OTHER_DATA = DATA + 0x8000;
  private static final long OTHER_ROOT = 0x8_8000_0000L;

  /** A guest, and the oracle that looks at it. */
  private static final class World {
    private final NestedGuest guest;
    private final NestedStaleness oracle;

    World(Format format) {
      CpuProfile profile = CpuProfile.full(format == Format.NPT ? Vendor.AMD : Vendor.INTEL, 40);
      guest = new NestedGuest(profile, PrimedCpu.WHOLE, Shape.FOUR_LEVEL, format, 4);
      guest.map(PAGE, 1, DATA, Tables.PLAIN);
      guest.map(NEIGHBOUR, 1, DATA + 0x1000, Tables.PLAIN);
      guest.map(GLOBAL, 1, GLOBAL_DATA, Tables.PLAIN | Tables.G);
      guest.back(OTHER_DATA);
      guest.control.registers().cr4 |= Cr4.PGE | Cr4.PCIDE;
      oracle = new NestedStaleness(guest, profile);
    }

    /** Fills every cache, in the context of a tag and a root. */
    World use(int tag, long root) {
      guest.control.tag(tag);
      guest.control.nested().root = root;
      for (int round = 0; round < 2; round++) { // the first sets A of nested entries
        for (long page : new long[] {PAGE, NEIGHBOUR, GLOBAL}) {
          for (long kind : new long[] {0, Access.WRITE, Access.FETCH}) {
            assertThat(guest.access(kind, page)).isEqualTo(ExitReason.DONE);
          }
        }
      }
      return this;
    }

    World use(int tag) {
      return use(tag, guest.control.nested().root);
    }

    /** A second root over the same nested tables. */
    long otherRoot() {
      long root = guest.control.nested().root;
      for (int at = 0; at < 4096; at += 8) {
        guest.cpu.memory.store(OTHER_ROOT + at, 8, guest.cpu.memory.load(root + at, 8));
      }
      return OTHER_ROOT;
    }

    /** Other pages behind the guest's linear addresses; the PDE leads to another table too. */
    void changeGuest() {
      long old = guest.guest.get(PAGE, 2) & 0xffffff000L;
      long table = guest.guest.end() + 0x10000;
      guest.back(table);
      for (int at = 0; at < 4096; at += 8) {
        long entry = guest.cpu.memory.load(old + NestedGuest.OFFSET + at, 8);
        boolean moves = (entry & Tables.P) != 0 && (entry & Tables.G) == 0;
        long moved = moves ? entry ^ DATA ^ OTHER_DATA : entry;
        guest.cpu.memory.store(table + NestedGuest.OFFSET + at, 8, moved);
      }
      guest.back(OTHER_DATA + 0x1000);
      guest.guest.put(PAGE, 2, table | Tables.PLAIN & ~Tables.D);
    }

    /** Other frames behind guest-physical addresses, of data and of a table. */
    void changeNested() {
      for (long moves : new long[] {DATA, guest.guest.get(PAGE, 2) & 0xffffff000L}) {
        long entry = guest.nested.get(moves, 1);
        long frame = entry & 0xffffff000L;
        for (int at = 0; at < 4096; at += 8) {
          guest.cpu.memory.store(
              frame + 0x10_0000_0000L + at, 8, guest.cpu.memory.load(frame + at, 8));
        }
        guest.nested.put(moves, 1, entry + 0x10_0000_0000L);
      }
    }

    Set<LiveMappings.Entry> stale() {
      return oracle.stale();
    }

    /** Seen before the invalidation: the change is noticed, and does not go away by itself. */
    void expectStale(Predicate<LiveMappings.Entry> what) {
      assertThat(stale()).as("seen by the oracle").anyMatch(what);
      guest.access(0, PAGE);
      assertThat(stale()).as("still seen").anyMatch(what);
    }

    void expectNothingStale() {
      assertThat(stale()).isEmpty();
    }
  }

  private static World used(Format format, int... tags) {
    World world = new World(format);
    for (int tag : tags) {
      world.use(tag);
    }
    world.expectNothingStale();
    assertThat(LiveMappings.of(world.guest.cpu)).hasSizeGreaterThan(10);
    return world;
  }

  private static boolean isTable(LiveMappings.Entry entry) {
    return entry.kind() == LiveMappings.Kind.COMBINED_TABLE
        || entry.kind() == LiveMappings.Kind.GUEST_PHYSICAL_TABLE;
  }

  @Test
  void inveptSingleContext() {
    World world = used(Format.EPT, 1);
    long root = world.guest.control.nested().root;
    world.use(1, world.otherRoot()).use(1, root).expectNothingStale();
    world.changeNested();
    world.expectStale(it -> it.root() == root && it.isGuestPhysical());
    world.expectStale(it -> it.root() == root && !it.isGuestPhysical());
    world.guest.cpu.cpu.invept(root);
    assertThat(world.stale()).isNotEmpty().allMatch(it -> it.root() == OTHER_ROOT);
    world.guest.cpu.cpu.invept(OTHER_ROOT);
    world.expectNothingStale();
  }

  @Test
  void inveptAllContexts() {
    World world = used(Format.EPT, 1, 2);
    long root = world.guest.control.nested().root;
    world.use(2, world.otherRoot()).use(1, root).expectNothingStale();
    world.changeNested();
    world.expectStale(it -> it.vpid() == 1 && it.root() == root);
    world.expectStale(it -> it.vpid() == 2 && it.root() == OTHER_ROOT);
    world.expectStale(LiveMappings.Entry::isGuestPhysical);
    world.guest.cpu.cpu.inveptAll();
    world.expectNothingStale();
  }

  @Test
  void invvpidIndividualAddress() {
    World world = used(Format.EPT, 1);
    world.guest.guest.put(PAGE, 1, OTHER_DATA | Tables.PLAIN);
    world.expectStale(it -> it.covers(PAGE));
    world.guest.cpu.cpu.invvpidAddress(1, PAGE);
    world.expectNothingStale();
  }

  /** The hypervisor names a VPID that is not the current one. */
  @Test
  void invvpidIndividualAddressOfAnotherVpid() {
    World world = used(Format.EPT, 2, 1);
    world.guest.guest.put(PAGE, 1, OTHER_DATA | Tables.PLAIN);
    world.guest.cpu.cpu.invvpidAddress(1, PAGE);
    world.expectStale(it -> it.vpid() == 2);
    world.guest.cpu.cpu.invvpidAddress(2, PAGE);
    world.expectNothingStale();
  }

  @Test
  void invvpidSingleContext() {
    World world = used(Format.EPT, 1);
    world.changeGuest();
    world.expectStale(it -> it.covers(NEIGHBOUR));
    world.expectStale(NestedStalenessTest::isTable);
    world.guest.cpu.cpu.invvpidContext(1);
    world.expectNothingStale();
  }

  @Test
  void invvpidAllContexts() {
    World world = used(Format.EPT, 1, 2, 3);
    world.changeGuest();
    for (int tag = 1; tag <= 3; tag++) {
      int vpid = tag;
      world.expectStale(it -> it.vpid() == vpid && !isTable(it));
      world.expectStale(it -> it.vpid() == vpid && isTable(it));
    }
    world.guest.cpu.cpu.invvpidAll();
    world.expectNothingStale();
  }

  @Test
  void invvpidSingleContextRetainingGlobals() {
    World world = used(Format.EPT, 1);
    world.changeGuest();
    world.expectStale(it -> !it.global() && !isTable(it));
    world.expectStale(NestedStalenessTest::isTable);
    world.guest.cpu.cpu.invvpidContextNonGlobal(1);
    world.expectNothingStale();
    world.guest.guest.put(GLOBAL, 1, OTHER_DATA | Tables.PLAIN | Tables.G);
    world.guest.cpu.cpu.invvpidContextNonGlobal(1);
    assertThat(world.stale()).as("not what it is for").isNotEmpty();
    assertThat(world.stale()).allMatch(LiveMappings.Entry::global);
    world.guest.cpu.cpu.invvpidContext(1);
    world.expectNothingStale();
  }

  @Test
  void invlpga() {
    World world = used(Format.NPT, 1);
    world.guest.guest.put(PAGE, 1, OTHER_DATA | Tables.PLAIN);
    world.expectStale(it -> it.covers(PAGE));
    world.guest.cpu.cpu.invlpga(PAGE, 1);
    world.expectNothingStale();
  }

  @Test
  void invlpgaOfAnotherAsid() {
    World world = used(Format.NPT, 1, 2);
    world.guest.guest.put(PAGE, 1, OTHER_DATA | Tables.PLAIN);
    world.guest.cpu.cpu.invlpga(PAGE, 2);
    world.expectStale(it -> it.vpid() == 1);
    world.guest.cpu.cpu.invlpga(PAGE, 1);
    world.expectNothingStale();
  }

  /** What changes in NPT needs a flush of the ASID: there is no instruction for it. */
  @Test
  void flushOfAnAsidAfterAChangeOfItsNestedTables() {
    World world = used(Format.NPT, 1);
    world.changeNested();
    world.expectStale(LiveMappings.Entry::isGuestPhysical);
    world.expectStale(it -> !it.isGuestPhysical());
    world.guest.cpu.cpu.flushTag(1);
    world.expectNothingStale();
  }

  /** The ASID of one guest becomes that of another, whose memory lies elsewhere. */
  @Test
  void reuseOfAnAsid() {
    World world = used(Format.NPT, 1);
    NestedGuest guest = world.guest;
    Tables elsewhere =
        new Tables(
            guest.cpu.memory, Shape.FOUR_LEVEL, OTHER_ROOT, NestedGuest.NPT_ALL | Tables.A, a -> a);
    for (long page = 0; page < 0x40000; page += 4096) {
      copyTo(guest, elsewhere, guest.guest.root() + page);
    }
    for (long page = DATA; page <= OTHER_DATA; page += 4096) {
      copyTo(guest, elsewhere, page);
    }
    guest.control.nested().root = elsewhere.root();
    world.expectStale(LiveMappings.Entry::isGuestPhysical);
    assertThat(guest.access(0, PAGE)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).as("the memory of the guest before").isEqualTo(DATA);
    guest.cpu.cpu.flushTag(1);
    world.expectNothingStale();
    assertThat(guest.access(0, PAGE)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(DATA + 0x10_0000_0000L);
    world.expectNothingStale();
  }

  private static void copyTo(NestedGuest guest, Tables elsewhere, long page) {
    long from = page + NestedGuest.OFFSET;
    long to = from + 0x10_0000_0000L;
    for (int at = 0; at < 4096; at += 8) {
      guest.cpu.memory.store(to + at, 8, guest.cpu.memory.load(from + at, 8));
    }
    elsewhere.map(page, 1, to, Tables.PLAIN);
  }
}
