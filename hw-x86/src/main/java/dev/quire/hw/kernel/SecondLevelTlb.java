// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TranslationCache.EntryVisitor;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;
import java.lang.invoke.MethodHandles;
import org.jspecify.annotations.Nullable;

/**
 * Second-level TLBs over {@link Cache}s. A template, see {@link AssocCache}. A size of page that no
 * TLB holds is kept as splinters of the next smaller size; each has the translation of the whole
 * page.
 */
public final class SecondLevelTlb extends SecondLevel {
  private static final TlbParts PARTS = Specializer.data(MethodHandles.lookup(), TlbParts.class);
  private static final @Nullable Cache OF_4K = PARTS.second(0);
  private static final @Nullable Cache OF_2M = PARTS.second(1);
  private static final @Nullable Cache OF_1G = PARTS.second(2);
  private static final int KEPT_2M = PARTS.keptSecond(1);
  private static final int KEPT_1G = PARTS.keptSecond(2);

  private static final long UNUSUAL = Translation.GLOBAL | 3L << Translation.SIZE_SHIFT;

  private static final int[] shifts = {12, 21, 30};

  /**
   * Sizes ever kept since everything was dropped, a bit each; and whether globals or splinters
   * were.
   */
  private static int sizes;

  private static boolean globals;
  private static boolean splinters;

  /** For {@link Specializer}. */
  public SecondLevelTlb() {}

  @Override
  public void format(PagingFormat format) {
    for (int size = 1; size < TlbGeometry.SIZES; size++) {
      shifts[size] = format.shift(size + 1);
    }
  }

  @Override
  public long find(long probe) {
    long found = OF_4K == null ? 0 : find(OF_4K, probe, 0);
    if (found == 0 && OF_2M != null && (sizes & 2) != 0) {
      found = find(OF_2M, probe, 1);
    }
    if (found == 0 && OF_1G != null && (sizes & 4) != 0) {
      found = find(OF_1G, probe, 2);
    }
    return found;
  }

  private static long find(Cache cache, long probe, int size) {
    int slot = cache.find(key(probe, size, probe & Key.SPACE));
    if (slot < 0 && globals) {
      slot = cache.find(key(probe, size, probe & Key.VPID));
    }
    return slot < 0 ? 0 : cache.value(slot);
  }

  private static long key(long probe, int size, long space) {
    return Key.second(probe, size == 0 ? PagingFormat.PAGE_SHIFT : shifts[size], size, space);
  }

  @Override
  public void put(long probe, long translation) {
    if ((translation & UNUSUAL) != 0) {
      putUnusual(probe, translation);
    } else if (OF_4K != null) {
      OF_4K.put(key(probe, 0, probe & Key.SPACE), translation);
    }
  }

  /** A page that is large or global. */
  private static void putUnusual(long probe, long translation) {
    int size = Translation.size(translation);
    int kept = size == 0 ? 0 : size == 1 ? KEPT_2M : KEPT_1G;
    Cache cache = kept == 0 ? OF_4K : kept == 1 ? OF_2M : OF_1G;
    if (cache != null) {
      boolean global = (translation & Translation.GLOBAL) != 0;
      globals |= global;
      splinters |= kept != size;
      sizes |= 1 << kept;
      cache.put(key(probe, kept, probe & (global ? Key.VPID : Key.SPACE)), translation);
    }
  }

  @Override
  public void drop(long probe) {
    drop(OF_4K, probe, 0, true);
    drop(OF_2M, probe, 1, true);
    drop(OF_1G, probe, 2, true);
  }

  private static void drop(@Nullable Cache cache, long probe, int size, boolean global) {
    if (cache == null) {
      return;
    }
    int slot = cache.peek(key(probe, size, probe & Key.SPACE));
    if (slot >= 0) {
      cache.remove(slot);
    }
    int globalSlot = global ? cache.peek(key(probe, size, probe & Key.VPID)) : Cache.NONE;
    if (globalSlot >= 0) {
      cache.remove(globalSlot);
    }
  }

  @Override
  public void dropPage(long linear, long space, boolean withGlobals) {
    long probe = linear & Key.PAGE | space;
    drop(OF_4K, probe, 0, withGlobals);
    drop(OF_2M, probe, 1, withGlobals);
    drop(OF_1G, probe, 2, withGlobals);
    if (splinters) {
      dropSplinters(OF_4K, linear, space, withGlobals);
      dropSplinters(OF_2M, linear, space, withGlobals);
    }
  }

  private static void dropSplinters(
      @Nullable Cache cache, long linear, long space, boolean withGlobals) {
    for (int slot = 0; cache != null && slot < cache.slots(); slot += 2) {
      long key = cache.key(slot);
      if (key != 0 && covers(key, cache.value(slot), linear) && isOf(key, space, withGlobals)) {
        cache.remove(slot);
      }
    }
  }

  private static boolean covers(long key, long translation, long linear) {
    long first = Key.number(key) << shifts[Key.size(key)];
    int shift = shifts[Translation.size(translation)];
    return ((first ^ linear) & Key.PAGE) >>> shift == 0;
  }

  private static boolean isOf(long key, long space, boolean withGlobals) {
    long has = key >>> Key.SPACE_SHIFT;
    return has == (space & Key.SPACE) || withGlobals && has == (space & Key.VPID);
  }

  @Override
  public void dropAll() {
    dropIf(0, 0, 0);
    sizes = 0;
    globals = false;
    splinters = false;
  }

  @Override
  public void reset() {
    dropAll();
    for (int size = 0; size < TlbGeometry.SIZES; size++) {
      Cache cache = PARTS.second(size);
      if (cache != null) {
        cache.reset();
      }
    }
  }

  @Override
  public void dropVpid(long space, boolean withGlobals) {
    long match = (space & Key.VPID) << Key.SPACE_SHIFT;
    dropIf(Key.VPID_2, match, withGlobals ? 0 : Key.PCID_2);
  }

  @Override
  public void dropSpace(long space) {
    dropIf(Key.VPID_2 | Key.PCID_2, space << Key.SPACE_SHIFT, 0);
  }

  private static void dropIf(long mask, long match, long some) {
    if (OF_4K != null) {
      OF_4K.removeIf(mask, match, some);
    }
    if (OF_2M != null && OF_2M != OF_4K) {
      OF_2M.removeIf(mask, match, some);
    }
    if (OF_1G != null && OF_1G != OF_2M && OF_1G != OF_4K) {
      OF_1G.removeIf(mask, match, some);
    }
  }

  @Override
  public void forEach(AddressSpaces spaces, EntryVisitor visitor) {
    show(OF_4K, spaces, visitor);
    if (OF_2M != OF_4K) {
      show(OF_2M, spaces, visitor);
    }
    if (OF_1G != OF_2M && OF_1G != OF_4K) {
      show(OF_1G, spaces, visitor);
    }
  }

  private static void show(@Nullable Cache cache, AddressSpaces spaces, EntryVisitor visitor) {
    for (int slot = 0; cache != null && slot < cache.slots(); slot += 2) {
      long key = cache.key(slot);
      if (key != 0) {
        long space = key >>> Key.SPACE_SHIFT;
        int shift = shifts[Key.size(key)];
        long linear = Key.number(key) << shift << 7 >> 7;
        visitor.entry(
            "L2",
            spaces.vpid(space),
            spaces.pcid(space),
            Addresses.gva(linear),
            shift,
            false,
            cache.value(slot));
      }
    }
  }
}
