// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A walk in two dimensions, sentence by sentence as SDM vol. 3, 29.3 and APM vol. 2, 15.25 have it:
 * the guest's walk of {@link Walk}, over a memory each read of which is translated. It changes
 * nothing.
 */
public final class NestedWalk {
  /** What an address is wanted for. */
  private enum For {
    READ,
    WRITE,
    FETCH,
    TABLE,
    UPDATE
  }

  /** Out of the guest. */
  private static final class Exit extends RuntimeException {
    private static final long serialVersionUID = 1;

    Exit(String what) {
      super(what);
    }
  }

  private final CpuProfile cpu;
  private final Registers registers;
  private final NestedPaging paging;
  private final Memory machine;
  private final boolean ept;
  private @Nullable Page guestPage;

  private NestedWalk(CpuProfile cpu, Registers registers, NestedPaging paging, Memory machine) {
    this.cpu = cpu;
    this.registers = registers;
    this.paging = paging;
    this.machine = machine;
    this.ept = paging.format == NestedPaging.Format.EPT;
  }

  /** What an access comes to: the address it reaches, a fault of the guest's, or an exit. */
  public static String outcome(
      CpuProfile cpu, Registers registers, NestedPaging paging, Memory machine, Demand demand) {
    try {
      return new NestedWalk(cpu, registers, paging, machine).access(demand);
    } catch (Exit exit) {
      return Objects.requireNonNull(exit.getMessage());
    }
  }

  private String access(Demand demand) {
    Shape shape = Shape.of(registers);
    Memory guest = (address, bytes) -> machine.read(translate(address, For.TABLE), bytes);
    Walk walk;
    if (shape.levels() == 3 && !ept) {
      long at = (registers.cr3 & 0xffffffe0L) + 8L * shape.index(demand.linear(), 3);
      long pdpte = guest.read(at, 8);
      long reserved =
          EntryRules.bits(2, 1)
              | EntryRules.bits(8, 5)
              | EntryRules.bits(63, 52)
              | EntryRules.bits(51, cpu.physicalBits());
      int code = AccessRights.accessCode(demand, registers);
      if ((pdpte & 1) == 0 || (pdpte & reserved) != 0) {
        return String.format("#PF 0x%x", (pdpte & 1) == 0 ? code : code + 9);
      }
      Walk.Start below = new Walk.Start(2, pdpte & EntryRules.bits(51, 12), true, true, true, true);
      walk = Walk.from(below, cpu, registers, shape, guest, demand);
    } else {
      walk = Walk.fromRoot(cpu, registers, shape, guest, demand);
    }
    Page page = walk.page();
    if (page == null || !walk.succeeds()) {
      return String.format("#PF 0x%x", walk.errorCode());
    }
    for (Walk.Step step : walk.steps()) {
      if ((Walk.wanted(step, demand) & ~step.entry()) != 0) {
        translate(step.address(), For.UPDATE);
      }
    }
    guestPage = page;
    For last = demand.fetch() ? For.FETCH : demand.write() ? For.WRITE : For.READ;
    return String.format("reaches 0x%x", translate(page.address(demand.linear()), last));
  }

  private long translate(long address, For purpose) {
    int width = paging.levels == 5 ? 57 : 48;
    if (address >>> width != 0) {
      throw violation(address, purpose, false, 0);
    }
    long table = paging.root;
    long all = -1; // the AND of the entries, less NX, which is the other way round
    boolean executable = true;
    for (int level = paging.levels; ; level--) {
      int shift = 12 + 9 * (level - 1);
      long entry = machine.read(table + 8 * (address >>> shift & 511), 8);
      check(entry, level, address, purpose);
      all &= entry;
      executable &= ept || (entry & 1L << 63) == 0;
      boolean page = level == 1 || (entry & 1 << 7) != 0;
      if (page) {
        long rights = ept ? all : all & ~4 | (executable ? 4 : 0);
        boolean user = (all & 4) != 0;
        if (!isAllowed(purpose, rights, user)) {
          throw violation(address, purpose, true, rights);
        }
        long size = 1L << shift;
        return (entry & EntryRules.bits(51, shift)) + (address & size - 1);
      }
      table = entry & EntryRules.bits(51, 12);
    }
  }

  /** Present, and then well formed. */
  private void check(long entry, int level, long address, For purpose) {
    boolean present =
        ept ? (entry & 7) != 0 || paging.modeBasedExecute && bit(entry, 10) : bit(entry, 0);
    if (!present) {
      throw violation(address, purpose, false, 0);
    }
    boolean beyond = (entry & EntryRules.bits(51, cpu.physicalBits())) != 0;
    boolean page = level == 1 || bit(entry, 7);
    boolean large = page && level > 1;
    boolean canBeLarge = level == 2 || level == 3;
    if (!ept) {
      boolean reserved =
          beyond
              || large && !canBeLarge
              || large && (entry & EntryRules.bits(12 + 9 * (level - 1) - 1, 13)) != 0
              || bit(entry, 63) && !paging.noExecute
              || level > 3 && bit(entry, 8);
      if (reserved) {
        throw reserved(address, purpose);
      }
      return;
    }
    boolean read = bit(entry, 0);
    boolean execute = bit(entry, 2) || paging.modeBasedExecute && bit(entry, 10);
    int type = (int) (entry >>> 3) & 7;
    boolean badRights = !read && (bit(entry, 1) || execute && !cpu.has(Feature.EPT_EXECUTE_ONLY));
    boolean badType = page && (type == 2 || type == 3 || type == 7);
    boolean badBits =
        beyond
            || large && !canBeLarge
            || !page && (entry & EntryRules.bits(6, 3)) != 0
            || large && (entry & EntryRules.bits(12 + 9 * (level - 1) - 1, 12)) != 0;
    if (badRights || badType || badBits) {
      throw new Exit(String.format("EPT_MISCONFIGURATION 0x0 at 0x%x", address));
    }
  }

  private boolean isAllowed(For purpose, long rights, boolean user) {
    boolean table = purpose == For.TABLE || purpose == For.UPDATE;
    boolean write =
        purpose == For.WRITE || purpose == For.UPDATE || table && (!ept || paging.accessedDirty);
    boolean read = purpose == For.READ || table;
    if (!ept) {
      return user && (!write || bit(rights, 1)) && (purpose != For.FETCH || bit(rights, 2));
    }
    return (!read || bit(rights, 0))
        && (!write || bit(rights, 1))
        && (purpose != For.FETCH || bit(rights, fetchBit()));
  }

  /** Which bit of EPT permits a fetch: with mode-based execute, the page of the guest decides. */
  private int fetchBit() {
    return paging.modeBasedExecute && Objects.requireNonNull(guestPage).user() ? 10 : 2;
  }

  private Exit reserved(long address, For purpose) {
    return new Exit(String.format("NESTED_FAULT 0x%x at 0x%x", info(purpose) | 9, address));
  }

  private Exit violation(long address, For purpose, boolean present, long rights) {
    long said = ept ? qualification(purpose, rights) : info(purpose) | (present ? 1 : 0);
    return new Exit(String.format("NESTED_FAULT 0x%x at 0x%x", said, address));
  }

  /** EXITINFO1 without P and RSVD. */
  private static long info(For purpose) {
    return switch (purpose) {
      case READ -> 0x100000004L;
      case WRITE -> 0x100000006L;
      case FETCH -> 0x100000014L;
      case TABLE, UPDATE -> 0x200000006L;
    };
  }

  private long qualification(For purpose, long rights) {
    long said = (rights & 7) << 3 | 0x80;
    if (paging.modeBasedExecute && bit(rights, 10)) {
      said |= 1 << 6;
    }
    if (purpose == For.TABLE) {
      return said | (paging.accessedDirty ? 3 : 1);
    }
    if (purpose == For.UPDATE) {
      return said | 3;
    }
    Page page = Objects.requireNonNull(guestPage);
    return said
        | 0x100
        | (purpose == For.READ ? 1 : purpose == For.WRITE ? 2 : 4)
        | (page.user() ? 0x200 : 0)
        | (page.writable() ? 0x400 : 0)
        | (page.executable() ? 0 : 0x800);
  }

  private static boolean bit(long word, int bit) {
    return (word & 1L << bit) != 0;
  }
}
