// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.domain.StartInfo;
import dev.quire.api.x86.PageEntry;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * One thing that a vCPU of one of the domains does. What it is follows from the seed and its number
 * alone, so that any selection of steps can be made again.
 *
 * @param domain 0 or 1
 * @param vcpu of the domain
 * @param kind what
 * @param command of a call
 * @param page guest frame that it is about
 * @param target guest frame that an entry maps
 * @param foreign whether the frame that is mapped is the other domain's
 * @param slot in a page
 * @param flags of an entry, or another number
 */
record TortureStep(
    int domain,
    int vcpu,
    Kind kind,
    int command,
    int page,
    int target,
    boolean foreign,
    int slot,
    long flags) {
  /** Kinds, with how often they come. */
  enum Kind {
    STORE_ENTRY(20),
    STORE_ANYWHERE(4),
    LOAD(6),
    EXCHANGE(4),
    MMU_UPDATE(22),
    UPDATE_VA_MAPPING(18),
    MMUEXT(18),
    SET_GDT(2),
    UPDATE_DESCRIPTOR(2),
    VM_ASSIST(1),
    MEMORY_OP(2),
    MEMORY_EXCHANGE(1),
    GRANT(4),
    GRANT_MAP(6),
    GRANT_UNMAP(5),
    GRANT_TRANSFER(1),
    MULTICALL(2),
    IRET(1),
    SYSTEM_CALL(2),
    WRITE_CR3(1),
    WILD_CALL(1);

    private final int weight;

    Kind(int weight) {
      this.weight = weight;
    }

    /** Whether its answer says what a domain may reach of the other's. */
    boolean isOfGrants() {
      return this == GRANT_MAP || this == GRANT_UNMAP;
    }
  }

  private static final int WEIGHTS;

  static {
    int sum = 0;
    for (Kind kind : Kind.values()) {
      sum += kind.weight;
    }
    WEIGHTS = sum;
  }

  private static final long READ = PageEntry.P | PageEntry.US | PageEntry.A | PageEntry.D;
  private static final int[] SLOTS = {0, 1, 2, 3, 255, 256, 258, 271, 272, 273, 510, 511};

  /** Commands of {@code mmuext_op}: those that change most come more than once. */
  private static final int[] EXTENDED = {
    0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 15, 16, 16, 17, 18,
    19, 21
  };

  static TortureStep of(long seed, long number, int pages) {
    SplittableRandom random = new SplittableRandom(seed * 0x9e3779b97f4a7c15L + number);
    Kind kind = kind(random.nextInt(WEIGHTS));
    int command =
        kind == Kind.MMUEXT ? EXTENDED[random.nextInt(EXTENDED.length)] : random.nextInt(4);
    return new TortureStep(
        random.nextInt(2),
        random.nextInt(2),
        kind,
        command,
        random.nextInt(pages),
        random.nextInt(pages),
        random.nextInt(8) == 0,
        SLOTS[random.nextInt(SLOTS.length)],
        flags(random));
  }

  private static Kind kind(int at) {
    int left = at;
    for (Kind kind : Kind.values()) {
      left -= kind.weight;
      if (left < 0) {
        return kind;
      }
    }
    throw new IllegalStateException();
  }

  private static long flags(SplittableRandom random) {
    return switch (random.nextInt(12)) {
      case 0, 1 -> 0;
      case 2, 3, 4, 5 -> READ | PageEntry.RW;
      case 6, 7, 8 -> READ;
      case 9 -> READ | 1L << random.nextInt(12);
      case 10 -> READ | PageEntry.RW | PageEntry.NX;
      default -> random.nextLong();
    };
  }

  /** Where the page is mapped that the step is about. */
  long linear() {
    return StartInfo.BASE + ((long) page << 12) + slot * 8L;
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "d%d v%d %s command %d, page %d slot %d, target %s%d flags 0x%x",
        domain,
        vcpu,
        kind.name().toLowerCase(Locale.ROOT),
        command,
        page,
        slot,
        foreign ? "foreign " : "",
        target,
        flags);
  }
}
