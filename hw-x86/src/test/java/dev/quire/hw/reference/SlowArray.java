// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** A set-associative array: each set a list in order of use, or ways under a tree of hints. */
final class SlowArray<E> {
  private final List<Ways<E>> sets = new ArrayList<>();

  SlowArray(Array array, Replacement replacement) {
    for (int i = 0; i < array.sets(); i++) {
      sets.add(
          replacement == Replacement.LRU ? new ByUse<>(array.ways()) : new ByTree<>(array.ways()));
    }
  }

  /** One set. */
  private interface Ways<E> {
    List<E> entries();

    void use(E entry);

    void put(E entry);

    void removeIf(Predicate<E> condition);
  }

  /** True LRU: the most recent first. */
  private static final class ByUse<E> implements Ways<E> {
    private final int ways;
    private final List<E> entries = new ArrayList<>();

    ByUse(int ways) {
      this.ways = ways;
    }

    @Override
    public List<E> entries() {
      return entries;
    }

    @Override
    public void use(E entry) {
      entries.remove(entry);
      entries.add(0, entry);
    }

    @Override
    public void put(E entry) {
      if (entries.size() == ways) {
        entries.remove(ways - 1);
      }
      entries.add(0, entry);
    }

    @Override
    public void removeIf(Predicate<E> condition) {
      entries.removeIf(condition);
    }
  }

  /** Half of the ways below a hint: which of its two halves is to be replaced. */
  private static final class Node {
    final int first;
    final int count;
    boolean upperHalf;
    final @Nullable Node lower;
    final @Nullable Node upper;

    Node(int first, int count) {
      this.first = first;
      this.count = count;
      lower = count == 1 ? null : new Node(first, count / 2);
      upper = count == 1 ? null : new Node(first + count / 2, count / 2);
    }

    int victim() {
      if (count == 1) {
        return first;
      }
      return Objects.requireNonNull(upperHalf ? upper : lower).victim();
    }

    void use(int way) {
      if (count == 1) {
        return;
      }
      boolean isInUpper = way >= first + count / 2;
      upperHalf = !isInUpper;
      Objects.requireNonNull(isInUpper ? upper : lower).use(way);
    }
  }

  /** Tree-PLRU; free ways first, the lowest of them. */
  private static final class ByTree<E> implements Ways<E> {
    private final List<@Nullable E> ways = new ArrayList<>();
    private final Node root;

    ByTree(int count) {
      root = new Node(0, count);
      for (int i = 0; i < count; i++) {
        ways.add(null);
      }
    }

    @Override
    public List<E> entries() {
      List<E> present = new ArrayList<>();
      for (E entry : ways) {
        if (entry != null) {
          present.add(entry);
        }
      }
      return present;
    }

    @Override
    public void use(E entry) {
      root.use(ways.indexOf(entry));
    }

    @Override
    public void put(E entry) {
      int free = ways.indexOf(null);
      int way = free >= 0 ? free : root.victim();
      ways.set(way, entry);
      root.use(way);
    }

    @Override
    public void removeIf(Predicate<E> condition) {
      ways.replaceAll(entry -> entry != null && condition.test(entry) ? null : entry);
    }
  }

  private Ways<E> setOf(long number) {
    return sets.get((int) (number & sets.size() - 1));
  }

  List<E> entries() {
    return sets.stream().flatMap(set -> set.entries().stream()).toList();
  }

  /** Makes an entry the one used last. */
  void use(long number, E entry) {
    setOf(number).use(entry);
  }

  /** Puts an entry into the set that its number chooses. */
  void put(long number, E entry) {
    setOf(number).put(entry);
  }

  void removeIf(Predicate<E> condition) {
    sets.forEach(set -> set.removeIf(condition));
  }
}
