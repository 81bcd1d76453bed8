// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One vCPU's work on pagetables, which may be long: when it must yield, and what it has put off.
 * Xen's {@code hypercall_preempt_check} and {@code old_guest_table}. One thread uses it at a time.
 *
 * <p>Xen puts off one table at most. A failed validation can leave two that do not hold each other
 * (a level-4 table, and a level-2 table below a level-3 table that could not keep it); Xen leaks
 * the second, this keeps both.
 */
public final class PagingWork {
  private static final int MOST = 4;

  private final BooleanSupplier yields;
  private final long[] tables = new long[MOST];
  private final long[] parents = new long[MOST];
  private final boolean[] partial = new boolean[MOST];
  private int deferred;
  private @Nullable Enum<?> reason;
  private long validated;
  private long givenBack;

  /** Work that yields whenever {@code yields} says so. */
  public PagingWork(BooleanSupplier yields) {
    this.yields = yields;
  }

  /** Whether the vCPU should yield now; asked between two entries. */
  public boolean mustYield() {
    return yields.getAsBoolean();
  }

  /**
   * Puts off giving back a type and a general reference to a pagetable.
   *
   * @param mfn the pagetable
   * @param parent whose entry held the references, or {@link FrameTable#NO_PARENT}
   * @param ofPartial the references are those of the table's partial state
   */
  public void defer(@Mfn long mfn, @Mfn long parent, boolean ofPartial) {
    if (deferred == MOST) {
      throw new IllegalStateException("more tables put off than there are levels");
    }
    tables[deferred] = mfn;
    parents[deferred] = parent;
    partial[deferred] = ofPartial;
    deferred++;
  }

  /** Whether anything has been put off. */
  public boolean hasDeferred() {
    return deferred > 0;
  }

  /**
   * Notes the rule by which something is refused; the first one since {@link #forgetReason} stands.
   */
  public void because(Enum<?> rule) {
    if (reason == null) {
      reason = rule;
    }
  }

  /** By which rule the operation was refused; null if none was noted. */
  public @Nullable Enum<?> reason() {
    return reason;
  }

  /** A new operation begins, or what was refused is tried in another way. */
  public void forgetReason() {
    reason = null;
  }

  /** Present entries of tables have been checked and count from now on. */
  public void countValidated(int entries) {
    validated += entries;
  }

  /** Present entries of tables do not count any more, since their table is none. */
  public void countGivenBack(int entries) {
    givenBack += entries;
  }

  /** How many entries were validated as parts of tables. */
  public long validated() {
    return validated;
  }

  /** How many were given back as parts of tables. */
  public long givenBack() {
    return givenBack;
  }

  /** Whether what was put off last is this table. */
  public boolean hasDeferred(@Mfn long mfn) {
    return deferred > 0 && tables[deferred - 1] == mfn;
  }

  /** Sees a table that was put off. */
  @FunctionalInterface
  public interface DeferredVisitor {
    /**
     * One table, of which one general reference is held.
     *
     * @param ofPartial whether its type reference is that of its partial state, or one more
     */
    void table(@Mfn long mfn, boolean ofPartial);
  }

  /** Shows what has been put off, for audits. */
  public void forEachDeferred(DeferredVisitor visitor) {
    for (int i = 0; i < deferred; i++) {
      visitor.table(Addresses.mfn(tables[i]), partial[i]);
    }
  }

  /** The table that was put off last is now held by one above it, which is itself put off. */
  public void undefer() {
    deferred--;
  }

  /**
   * Gives back what was put off ({@code put_old_guest_table}); every hypercall that may put off
   * begins with this.
   *
   * @return OK, or ERESTART if it must yield before it has begun
   */
  public Errno finish(FrameTable frames) {
    while (deferred > 0) {
      int last = deferred - 1;
      @Mfn long table = Addresses.mfn(tables[last]);
      Errno done = frames.putType(table, Addresses.mfn(parents[last]), partial[last], this);
      if (deferred - 1 != last) {
        throw new IllegalStateException("undoing a table put off another");
      }
      if (!done.isOk()) {
        partial[last] |= done == Errno.ERESTART;
        return Errno.ERESTART;
      }
      deferred--;
      frames.put(table);
    }
    return Errno.OK;
  }
}
