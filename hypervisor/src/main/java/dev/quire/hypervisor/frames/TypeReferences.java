// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.frames;

import static dev.quire.api.domain.FrameWords.LOCKED;
import static dev.quire.api.domain.FrameWords.PAE_XEN_L2;
import static dev.quire.api.domain.FrameWords.PARTIAL;
import static dev.quire.api.domain.FrameWords.TYPE;
import static dev.quire.api.domain.FrameWords.TYPE_COUNT;
import static dev.quire.api.domain.FrameWords.VALIDATED;

import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameTypeValidator;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.PagingWork;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The state machine of types ({@code _get_page_type}, {@code _put_page_type}).
 *
 * <pre>
 *   unused (count 0) --get--> being validated (count 1, neither flag) --ok--> VALIDATED --get/put--> ...
 *                                     |        ^                                  |
 *                                  restart     get of the same type           put of the last
 *                                     v        |                                  v
 *                                  PARTIAL (count 1, one general reference) <-- being undone --ok--> unused
 * </pre>
 *
 * While a frame is being validated or undone, others who want its type wait, and others who want
 * another type are refused.
 */
final class TypeReferences {
  private final FrameRecords records;
  private final GeneralReferences references;
  private final Linear linear;
  private final FlushClock clock;
  private final TypeFlushes flushes;
  private final Map<Integer, FrameTypeValidator> validators = new ConcurrentHashMap<>();

  TypeReferences(
      FrameRecords records,
      GeneralReferences references,
      Linear linear,
      FlushClock clock,
      TypeFlushes flushes) {
    this.records = records;
    this.references = references;
    this.linear = linear;
    this.clock = clock;
    this.flushes = flushes;
  }

  void validator(int owner, FrameTypeValidator validator) {
    validators.put(owner, validator);
  }

  private long word(@Mfn long mfn) {
    return records.get(mfn, FrameRecords.TYPE);
  }

  // ---- get ----

  Errno get(@Mfn long mfn, long type, PagingWork work) {
    while (true) {
      long word = word(mfn);
      long next = word + 1;
      if ((next & TYPE_COUNT) == 0) {
        return Errno.EINVAL;
      }
      boolean same = (word & (TYPE | PAE_XEN_L2)) == type;
      if ((word & TYPE_COUNT) == 0) {
        if (!same || (word & VALIDATED) == 0) {
          next = next & ~(TYPE | PAE_XEN_L2 | VALIDATED) | type;
        }
      } else if (!same) {
        return Errno.EINVAL;
      } else if ((word & (VALIDATED | PARTIAL)) == 0) {
        if (FrameWords.type(type).isTable() && work.mustYield()) {
          return Errno.EINTR;
        }
        Thread.onSpinWait(); // another CPU validates it or undoes it
        continue;
      } else if ((word & PARTIAL) != 0) {
        next = word & ~PARTIAL; // takes the validation over, and with it the count
      }
      if (records.compareAndSet(mfn, FrameRecords.TYPE, word, next)) {
        return (next & VALIDATED) != 0 ? Errno.OK : become(mfn, word, type, work);
      }
    }
  }

  /** The type is committed and nobody else can use it: makes it true. */
  private Errno become(@Mfn long mfn, long before, long type, PagingWork work) {
    FrameType wanted = FrameWords.type(type);
    FrameType old = FrameWords.type(before);
    if ((before & TYPE_COUNT) == 0 && old != wanted) {
      Errno changed = change(mfn, old, wanted);
      if (!changed.isOk()) {
        records.set(mfn, FrameRecords.TYPE, 0);
        return changed;
      }
    }
    if (wanted != FrameType.WRITABLE) {
      setFlag(mfn, FrameWords.NON_COHERENT, false); // the model has no caches to flush
    }
    if (wanted == FrameType.WRITABLE || wanted == FrameType.SHARED) {
      records.add(mfn, FrameRecords.TYPE, VALIDATED);
      return Errno.OK;
    }
    if ((before & PARTIAL) == 0) {
      records.set(mfn, FrameRecords.PROGRESS, 0);
    }
    Errno result = validate(mfn, type, work);
    if ((before & PARTIAL) != 0) {
      references.put(mfn); // the partial state's own
    }
    return result;
  }

  private Errno change(@Mfn long mfn, FrameType old, FrameType wanted) {
    int owner = references.owner(mfn);
    flushes.flush(owner, references.stamp(mfn), old.isTable());
    boolean writable = wanted == FrameType.WRITABLE;
    FrameTypeValidator validator = validators.get(owner);
    if (validator == null || writable == (old == FrameType.WRITABLE)) {
      return Errno.OK;
    }
    return validator.writabilityChanged(mfn, writable);
  }

  private Errno validate(@Mfn long mfn, long type, PagingWork work) {
    FrameTypeValidator validator = validators.get(references.owner(mfn));
    Errno result = validator == null ? Errno.EINVAL : validator.validate(mfn, type, work);
    switch (result) {
      case OK -> records.add(mfn, FrameRecords.TYPE, VALIDATED);
      case EINTR -> records.add(mfn, FrameRecords.TYPE, -1);
      default -> {
        if (result != Errno.ERESTART && !work.hasDeferred(mfn)) {
          records.set(mfn, FrameRecords.TYPE, 0);
        } else {
          references.getAnother(mfn);
          records.add(mfn, FrameRecords.TYPE, PARTIAL);
        }
      }
    }
    return result;
  }

  // ---- put ----

  Errno put(@Mfn long mfn, @Mfn long parent, boolean partial, PagingWork work) {
    while (true) {
      long word = word(mfn);
      if (partial && (word & PARTIAL) == 0) {
        return Errno.OK; // somebody has taken the partial state over, and the count with it
      }
      if ((word & TYPE_COUNT) == 0 || !partial && (word & (VALIDATED | PARTIAL)) != VALIDATED) {
        throw new IllegalStateException(
            String.format(
                "frame 0x%x: a type reference is given back that nobody has: %s",
                mfn, FrameWords.describe(word, records.get(mfn, FrameRecords.COUNT))));
      }
      long left = word - 1 & (LOCKED | TYPE_COUNT);
      if (left == (LOCKED | 1)) {
        if (FrameWords.type(word).isTable() && work.mustYield()) {
          return Errno.EINTR;
        }
        Thread.onSpinWait(); // the lock's own reference must not become the last one
        continue;
      }
      boolean linearly = isLinear(word, parent);
      if (left == 0 && FrameWords.type(word).isTable()) {
        long undone = word & ~(VALIDATED | PARTIAL);
        if (records.compareAndSet(mfn, FrameRecords.TYPE, word, undone)) {
          return undo(mfn, word, parent, linearly, work);
        }
      } else {
        if (left == 0) {
          references.stamp(mfn, clock.now());
        }
        if (records.compareAndSet(mfn, FrameRecords.TYPE, word, word - 1)) {
          if (linearly) {
            linear.put(mfn, parent);
          }
          return Errno.OK;
        }
      }
    }
  }

  private boolean isLinear(long word, @Mfn long parent) {
    return parent != FrameTable.NO_PARENT && ((word ^ word(parent)) & (TYPE | PAE_XEN_L2)) == 0;
  }

  /** The last reference to a pagetable went: nobody can use it, its content is given back. */
  private Errno undo(
      @Mfn long mfn, long before, @Mfn long parent, boolean linearly, PagingWork work) {
    FrameTypeValidator validator = validators.get(references.owner(mfn));
    if (validator == null) {
      throw new IllegalStateException(String.format("frame 0x%x: who validated it is gone", mfn));
    }
    if ((before & VALIDATED) != 0) {
      records.set(mfn, FrameRecords.PROGRESS, linear.keep(mfn) | FrameRecords.ALL_VALIDATED);
    }
    Errno result = validator.devalidate(mfn, before & (TYPE | PAE_XEN_L2), work);
    if (linearly && (before & VALIDATED) != 0 && result != Errno.EINTR) {
      linear.put(mfn, parent);
    }
    switch (result) {
      case OK -> {
        references.stamp(mfn, clock.now());
        records.add(mfn, FrameRecords.TYPE, -1);
      }
      case EINTR -> records.add(mfn, FrameRecords.TYPE, before & (VALIDATED | PARTIAL));
      case ERESTART -> {
        references.getAnother(mfn);
        records.add(mfn, FrameRecords.TYPE, PARTIAL);
      }
      default -> throw new IllegalStateException("undoing a pagetable ended in " + result);
    }
    if ((before & PARTIAL) != 0 && result != Errno.EINTR) {
      references.put(mfn);
    }
    return result;
  }

  // ---- lock ----

  boolean lock(@Mfn long mfn) {
    while (true) {
      long word = word(mfn);
      boolean usable = (word & VALIDATED) != 0 && (word & TYPE_COUNT) != 0;
      if (!usable || (word + 1 & TYPE_COUNT) == 0) {
        return false;
      }
      if ((word & LOCKED) != 0) {
        Thread.onSpinWait();
      } else if (records.compareAndSet(mfn, FrameRecords.TYPE, word, word + 1 | LOCKED)) {
        return true;
      }
    }
  }

  void unlock(@Mfn long mfn) {
    long before = records.add(mfn, FrameRecords.TYPE, -(LOCKED + 1));
    if ((before & LOCKED) == 0 || (before & TYPE_COUNT) < 2) {
      throw new IllegalStateException(
          String.format("frame 0x%x: not locked, or used by the lock only", mfn));
    }
  }

  /** Sets or clears a flag; false if it was so already. */
  boolean setFlag(@Mfn long mfn, long flag, boolean value) {
    while (true) {
      long word = word(mfn);
      if ((word & flag) != 0 == value) {
        return false;
      }
      if (records.compareAndSet(mfn, FrameRecords.TYPE, word, word ^ flag)) {
        return true;
      }
    }
  }
}
