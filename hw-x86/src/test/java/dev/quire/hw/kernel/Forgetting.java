// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.Translation;
import dev.quire.hw.reference.Shape;
import java.util.Arrays;
import java.util.function.Predicate;

/**
 * What an operation makes every CPU forget at least, from the manuals (SDM vol. 3, 4.10.4.1; vol.
 * 2, INVPCID): which cached entries must not be there after it.
 *
 * @param tlb entries of TLBs that must go
 * @param structures entries of paging-structure caches that must go
 */
record Forgetting(
    Predicate<LiveEntries.Translated> tlb, Predicate<LiveEntries.Structure> structures) {
  static final Forgetting NOTHING = new Forgetting(e -> false, e -> false);
  static final Forgetting EVERYTHING = new Forgetting(e -> true, e -> true);

  static Forgetting ofTag(int tag) {
    return new Forgetting(e -> e.tag() == tag, e -> e.tag() == tag);
  }

  private static Forgetting nonGlobal(int tag) {
    return new Forgetting(e -> e.tag() == tag && !isGlobal(e), e -> e.tag() == tag);
  }

  private static Forgetting ofPcid(int tag, int pcid) {
    return new Forgetting(
        e -> e.tag() == tag && e.pcid() == pcid && !isGlobal(e),
        e -> e.tag() == tag && e.pcid() == pcid);
  }

  /** One page under every PCID, global or not, and what leads there. */
  static Forgetting ofLinear(int tag, long linear, Shape shape) {
    return new Forgetting(
        e -> e.tag() == tag && isOfPageWith(e, linear, shape),
        e -> e.tag() == tag && leadsTo(e, linear, shape));
  }

  private static Forgetting invlpg(int tag, int pcid, long linear, Shape shape) {
    return new Forgetting(
        e -> e.tag() == tag && (isGlobal(e) || e.pcid() == pcid) && isOfPageWith(e, linear, shape),
        e -> e.tag() == tag && e.pcid() == pcid); // whatever their address
  }

  private static Forgetting address(int tag, int pcid, long linear, Shape shape) {
    return new Forgetting(
        e -> e.tag() == tag && !isGlobal(e) && e.pcid() == pcid && isOfPageWith(e, linear, shape),
        e -> e.tag() == tag && e.pcid() == pcid && leadsTo(e, linear, shape));
  }

  private static boolean isGlobal(LiveEntries.Translated entry) {
    return (entry.translation() & Translation.GLOBAL) != 0;
  }

  /** The whole page goes, however small the pieces that it is kept in. */
  private static boolean isOfPageWith(LiveEntries.Translated entry, long linear, Shape shape) {
    int shift = shape.shift(Translation.level(entry.translation()));
    return (entry.linear() ^ linear) >>> shift == 0;
  }

  private static boolean leadsTo(LiveEntries.Structure entry, long linear, Shape shape) {
    long number = (linear & Operation.ADDRESS) >>> shape.shift(entry.level());
    return number == entry.number();
  }

  /**
   * What the operation at an index makes forget, executed with these registers before and after.
   */
  static Forgetting after(ControlBlock control, OperationBlock block, int at, Registers before) {
    long word = block.operations()[at];
    if (!Operation.isControl(word)) {
      return NOTHING;
    }
    Registers now = control.registers();
    int tag = control.tag();
    long operand = block.operands()[at];
    Operation.Kind kind = Operation.kind(word);
    if (kind == Operation.Kind.MOV_CR3) {
      boolean pcids = (now.cr4 & Cr4.PCIDE) != 0;
      return !pcids ? nonGlobal(tag) : operand < 0 ? NOTHING : ofPcid(tag, pcid(now));
    }
    if (!Shape.isPaged(now)) {
      return wrote(kind, before, now) ? ofTag(tag) : NOTHING;
    }
    Shape shape = Shape.of(now);
    if (kind == Operation.Kind.INVLPG) {
      return shape.isLong() && !shape.isCanonical(operand)
          ? NOTHING
          : invlpg(tag, pcid(now), wrap(operand, shape), shape);
    }
    if (kind == Operation.Kind.INVPCID) {
      return invpcid(tag, block.moreOperands()[at], wrap(operand, shape), shape);
    }
    return wrote(kind, before, now) ? ofTag(tag) : NOTHING;
  }

  private static long wrap(long linear, Shape shape) {
    return shape.isLong() ? linear : linear & 0xffffffffL;
  }

  private static int pcid(Registers registers) {
    return (registers.cr4 & Cr4.PCIDE) != 0 ? (int) registers.cr3 & 0xfff : 0;
  }

  private static Forgetting invpcid(int tag, long typeAndPcid, long linear, Shape shape) {
    int pcid = (int) (typeAndPcid >>> 32);
    return switch ((int) typeAndPcid) {
      case 0 -> address(tag, pcid, linear, shape);
      case 1 -> ofPcid(tag, pcid);
      case 2 -> ofTag(tag);
      default -> nonGlobal(tag);
    };
  }

  /** Whether a register changed that entries were made under. */
  private static boolean wrote(Operation.Kind kind, Registers before, Registers now) {
    long cr4 = before.cr4 ^ now.cr4;
    return (before.cr0 & ~now.cr0 & Cr0.PG) != 0
        || (cr4 & (Cr4.PGE | Cr4.PAE | Cr4.PSE)) != 0
        || (cr4 & now.cr4 & Cr4.SMEP) != 0
        || (cr4 & before.cr4 & Cr4.PCIDE) != 0
        || ((before.efer ^ now.efer) & Efer.NXE) != 0
        || before.cr3 != now.cr3
        || kind == Operation.Kind.LOAD_PDPTE && !Arrays.equals(before.pdptes, now.pdptes);
  }
}
