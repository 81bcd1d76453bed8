// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.hypervisor.p2m.P2mOperation.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Random programs against the model, in small tables. A program that fails is made as short as it
 * can be and still fail, and printed with the seed.
 */
class P2mDifferentialTest {
  private static final int LENGTH = 40;
  private static final P2mType[] TYPES = P2mType.values();
  private static final P2mAccess[] ACCESSES = P2mAccess.values();

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void itAnswersAsAPlainMapWould(P2mFormat format) {
    runs(format, 50, 1);
  }

  @Tag("long")
  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void itAnswersAsAPlainMapWouldForLong(P2mFormat format) {
    runs(format, 5_000, 1_000_000);
  }

  private static void runs(P2mFormat format, int programs, long firstSeed) {
    P2mSettings settings = P2mWorld.small(format);
    for (int i = 0; i < programs; i++) {
      long seed = firstSeed + i;
      List<P2mOperation> program = program(new Random(seed));
      String problem = P2mRun.check(settings, program);
      if (problem != null) {
        program = shrink(settings, program);
        problem = P2mRun.check(settings, program);
      }
      assertThat(problem).as("%s, seed %d: %s", format, seed, program).isNull();
    }
  }

  private static List<P2mOperation> shrink(P2mSettings settings, List<P2mOperation> program) {
    List<P2mOperation> shortest = program;
    for (int chunk = program.size() / 2; chunk > 0; chunk /= 2) {
      for (int from = 0; from + chunk <= shortest.size(); ) {
        List<P2mOperation> without = new ArrayList<>(shortest);
        without.subList(from, from + chunk).clear();
        if (isBalanced(without) && P2mRun.check(settings, without) != null) {
          shortest = without;
        } else {
          from++;
        }
      }
    }
    return shortest;
  }

  /** No flush without what it was deferred by. */
  private static boolean isBalanced(List<P2mOperation> program) {
    int depth = 0;
    for (P2mOperation operation : program) {
      depth += operation.kind() == Kind.DEFER ? 1 : operation.kind() == Kind.FLUSH ? -1 : 0;
      if (depth < 0) {
        return false;
      }
    }
    return true;
  }

  private static List<P2mOperation> program(Random random) {
    List<P2mOperation> program = new ArrayList<>();
    int depth = 0;
    while (program.size() < LENGTH) {
      P2mOperation next = operation(random);
      depth += next.kind() == Kind.DEFER ? 1 : next.kind() == Kind.FLUSH ? -1 : 0;
      if (depth < 0) {
        depth = 0;
      } else {
        program.add(next);
      }
    }
    return program;
  }

  /** Mostly sensible: in half of the space, aligned, of types that go together. */
  private static P2mOperation operation(Random random) {
    int order = random.nextInt(4) == 0 ? random.nextInt(6) : 2 * random.nextInt(3);
    long gfn = random.nextInt(128) & -1L << (random.nextInt(4) == 0 ? 0 : order);
    long mfn = random.nextInt(128 >>> order) << order | random.nextInt(4) >> 1 & order;
    mfn = Math.min(mfn, 128 - (1L << order)); // what lies beyond is for SET
    P2mType type = TYPES[random.nextInt(TYPES.length)];
    P2mAccess access =
        random.nextBoolean() ? P2mAccess.RWX : ACCESSES[random.nextInt(ACCESSES.length)];
    boolean flag = random.nextBoolean();
    return switch (random.nextInt(24)) {
      case 0, 1, 2, 3 -> P2mOperation.add(gfn, mfn, order, P2mType.RAM_RW);
      case 4 -> P2mOperation.add(gfn, mfn, order, type);
      case 5, 6 -> P2mOperation.remove(gfn, mfn, order);
      case 7, 8 -> P2mOperation.set(gfn, 128 + gfn, order, ownType(random), access);
      case 9 -> P2mOperation.set(gfn, -1, order, type, P2mAccess.RWX);
      case 10 -> P2mOperation.set(gfn, random.nextInt(1024), order, P2mType.RAM_BROKEN, access);
      case 11, 12 -> P2mOperation.change(gfn, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
      case 13 -> P2mOperation.change(gfn, P2mType.RAM_RW, type);
      case 14, 15 -> P2mOperation.range(gfn, random.nextInt(40), flag);
      case 16 -> P2mOperation.global(flag);
      case 17 -> P2mOperation.of(Kind.RECALCULATE, gfn, 0, 0);
      case 18, 19 -> special(random, gfn, order);
      case 20 -> P2mOperation.of(Kind.CLEAR_SPECIAL, gfn, specialFrame(gfn, flag), order);
      case 21 -> P2mOperation.of(Kind.SHATTER, gfn, 0, 0);
      case 22 -> P2mOperation.of(oneOf(random), gfn, 0, flag ? 1 : 0);
      default -> P2mOperation.of(flag ? Kind.DEFER : Kind.FLUSH, 0, 0, 0);
    };
  }

  private static Kind oneOf(Random random) {
    Kind[] kinds = {Kind.SUPPRESS_VE, Kind.IOREQ_SERVER, Kind.HARDWARE_LOGS};
    return kinds[random.nextInt(kinds.length)];
  }

  private static P2mType ownType(Random random) {
    P2mType[] own = {
      P2mType.RAM_RW, P2mType.RAM_LOGDIRTY, P2mType.RAM_RO, P2mType.IOREQ_SERVER, P2mType.RAM_BROKEN
    };
    return own[random.nextInt(own.length)];
  }

  private static long specialFrame(long gfn, boolean device) {
    return device ? P2mWorld.DEVICE + gfn : 256 + gfn;
  }

  private static P2mOperation special(Random random, long gfn, int order) {
    return switch (random.nextInt(3)) {
      case 0 -> P2mOperation.special(gfn, specialFrame(gfn, true), order, P2mType.MMIO_DIRECT);
      case 1 -> P2mOperation.special(gfn, specialFrame(gfn, false), 0, P2mType.MAP_FOREIGN);
      default -> P2mOperation.special(gfn, specialFrame(gfn, false), order, P2mType.GRANT_MAP_RW);
    };
  }
}
