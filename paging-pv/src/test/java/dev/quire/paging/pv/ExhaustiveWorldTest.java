// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.SmallOperation.RW;
import static dev.quire.paging.pv.SmallOperation.entry;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.paging.pv.SmallOperation.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Every sequence of operations up to a length, from several beginnings, in worlds of five frames
 * with tables of four entries: after each operation every count is right, and no CPU can write a
 * table or a frame of descriptors, through any table or whatever its TLB might hold. States that
 * are equal are gone on from once.
 */
class ExhaustiveWorldTest {
  private static final int FRAMES = 5;
  private static final int INTERRUPTIONS = 2;
  private static final List<SmallOperation> ALL = SmallOperation.all(FRAMES, INTERRUPTIONS);

  /** A way to a state. */
  private record Path(@Nullable Path before, int depth, @Nullable SmallOperation last) {
    List<SmallOperation> operations() {
      List<SmallOperation> all = new ArrayList<>();
      for (Path at = this; at != null && at.last != null; at = at.before) {
        all.add(0, at.last);
      }
      return all;
    }
  }

  private static SmallOperation update(int frame, int slot, long value) {
    return new SmallOperation(0, Kind.MMU_UPDATE, 0, frame, slot, value, -1);
  }

  private static SmallOperation extended(int vcpu, int command, int frame) {
    return new SmallOperation(vcpu, Kind.MMUEXT, command, frame, 0, 0, -1);
  }

  /** Nothing yet. */
  private static final List<SmallOperation> UNTOUCHED = List.of();

  /** Frames 3, 2, 1, 0 are a tree that is pinned and loaded, and map frame 4 writable. */
  private static final List<SmallOperation> TREE =
      List.of(
          update(0, 0, entry(4, RW)),
          update(1, 0, entry(0, RW)),
          update(2, 0, entry(1, RW)),
          update(3, 0, entry(2, RW)),
          extended(0, 3, 3),
          extended(0, 5, 3));

  /** The same without the pin, on both vCPUs. */
  private static final List<SmallOperation> LOADED =
      List.of(
          update(0, 3, entry(4, RW)),
          update(1, 3, entry(0, RW)),
          update(2, 0, entry(1, RW)),
          update(3, 0, entry(2, RW)),
          extended(0, 5, 3),
          extended(1, 5, 3));

  /** A level-2 table whose validation was preempted, with a child that maps frame 4. */
  private static final List<SmallOperation> PARTIAL =
      List.of(
          update(0, 0, entry(4, RW)),
          update(1, 0, entry(0, RW)),
          update(1, 3, entry(2, RW)),
          new SmallOperation(0, Kind.MMUEXT, 1, 1, 0, 0, 0));

  /** A 32-bit guest's tree: frame 2 is the root, whose last entry leads to frame 1; loaded. */
  private static final List<SmallOperation> PAE_TREE =
      List.of(
          update(0, 0, entry(4, RW)),
          update(1, 0, entry(0, RW)),
          update(2, 3, entry(1, RW)),
          extended(0, 2, 2),
          extended(0, 5, 2));

  /** The same not loaded, and a second root in frame 3 that wants the same last table. */
  private static final List<SmallOperation> PAE_SHARED =
      List.of(
          update(1, 0, entry(0, RW)),
          update(2, 3, entry(1, RW)),
          update(3, 0, entry(4, RW)),
          update(3, 3, entry(1, RW)),
          extended(0, 2, 2),
          new SmallOperation(1, Kind.MMUEXT, 2, 3, 0, 0, 0));

  @Test
  void everyStateOfA32BitGuestWithinTwoOperationsIsSound() {
    Exploration exploration = new Exploration(true, ALL, false, TableFormat.PAE);
    assertThat(exploration.find(PAE_TREE, 2)).isEmpty();
    exploration.print("of a 32-bit guest, sequences of 2 from 1 beginning");
    assertThat(exploration.states).isGreaterThan(1000);
  }

  @Test
  @Tag("long")
  void everyStateOfA32BitGuestWithinThreeOperationsIsSound() {
    Exploration exploration = new Exploration(true, ALL, false, TableFormat.PAE);
    for (List<SmallOperation> beginning : List.of(UNTOUCHED, PAE_TREE, PAE_SHARED)) {
      assertThat(exploration.find(beginning, 3)).isEmpty();
    }
    exploration.print("of a 32-bit guest, sequences of 3 from 3 beginnings");
  }

  @Test
  void everyStateWithinTwoOperationsIsSound() {
    everyStateIsSound(2, List.of(TREE, PARTIAL));
  }

  @Test
  @Tag("long")
  void everyStateWithinThreeOperationsIsSound() {
    everyStateIsSound(3, List.of(UNTOUCHED, TREE, LOADED, PARTIAL));
  }

  /**
   * A frame that is mapped as a grant is no table, and whoever unmaps gives back what was taken.
   */
  @Test
  void everyStateWithGrantsIsSound() {
    List<SmallOperation> operations = SmallOperation.grants(FRAMES);
    ALL.stream()
        .filter(it -> it.preemptAt() < 0 && it.kind() == Kind.MMUEXT && it.vcpu() == 0)
        .forEach(operations::add);
    SmallOperation mapped =
        new SmallOperation(0, Kind.GRANT_MAP, GrantFlags.HOST | 16, 4, 0, 3 << 3, -1);
    Exploration exploration = new Exploration(true, operations, true);
    assertThat(exploration.find(TREE, 2)).isEmpty();
    List<SmallOperation> further = new ArrayList<>(TREE);
    further.add(mapped);
    assertThat(exploration.find(further, 2)).isEmpty();
    exploration.print("with grants");
    assertThat(exploration.states).isGreaterThan(500);
  }

  @Test
  void aTypeChangeWithoutItsFlushIsFound() {
    String found = new Exploration(false, ALL, false).find(LOADED, 2);
    assertThat(found).as("a writable translation of a table").contains("can write frame");
  }

  private static void everyStateIsSound(int bound, List<List<SmallOperation>> beginnings) {
    Exploration exploration = new Exploration(true, ALL, false);
    for (List<SmallOperation> beginning : beginnings) {
      assertThat(exploration.find(beginning, bound)).isEmpty();
    }
    exploration.print("sequences of " + bound + " from " + beginnings.size() + " beginnings");
    assertThat(exploration.states).isGreaterThan(1000);
  }

  /** Goes through the states, breadth first. */
  private static final class Exploration {
    private final boolean sound;
    private final List<SmallOperation> operations;
    private final boolean grants;
    private final TableFormat format;
    private long states;
    private long transitions;

    Exploration(boolean sound, List<SmallOperation> operations, boolean grants) {
      this(sound, operations, grants, TableFormat.LONG);
    }

    Exploration(
        boolean sound, List<SmallOperation> operations, boolean grants, TableFormat format) {
      this.format = format;
      this.sound = sound;
      this.operations = operations;
      this.grants = grants;
    }

    void print(String what) {
      System.out.printf(
          "small worlds, %s: %d operations, %d states, %d transitions%n",
          what, operations.size(), states, transitions);
    }

    /** The first way to an unsound state; empty if there is none within the bound. */
    String find(List<SmallOperation> beginning, int bound) {
      Set<Signature> seen = new HashSet<>();
      Deque<Path> open = new ArrayDeque<>();
      open.add(new Path(null, 0, null));
      while (!open.isEmpty()) {
        Path path = open.poll();
        List<SmallOperation> way = path.operations();
        for (SmallOperation next : operations) {
          SmallHost world = world(beginning, way);
          if (!world.perform(next)) {
            continue;
          }
          transitions++;
          List<String> wrong = world.audit();
          if (!wrong.isEmpty()) {
            return beginning + "\n" + way + "\n" + next + "\n" + wrong;
          }
          if (seen.add(world.signature())) {
            states++;
            if (path.depth() + 1 < bound) {
              open.add(new Path(path, path.depth() + 1, next));
            }
          }
        }
      }
      return "";
    }

    private SmallHost world(List<SmallOperation> beginning, List<SmallOperation> way) {
      SmallHost world = new SmallHost(FRAMES, sound, grants, format);
      beginning.forEach(world::perform);
      way.forEach(world::perform);
      return world;
    }
  }
}
