// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.x86.PagingFormat;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import org.jspecify.annotations.Nullable;

/**
 * What the caches of a CPU hear of the invalidations that it executes. While they are deaf, one
 * kind of cache goes on holding whatever it is asked to drop: as if the invalidation were left out.
 */
final class Hearing {
  /** Kinds of caches. */
  enum Part {
    TLBS,
    STRUCTURES
  }

  /** Nothing between a CPU and its caches. */
  static final Hearing ALL = new Hearing(null);

  private final @Nullable Part deaf;
  private boolean lost;

  private Hearing(@Nullable Part deaf) {
    this.deaf = deaf;
  }

  /** Caches that can be made deaf, of one kind. */
  static Hearing deafIn(Part part) {
    return new Hearing(part);
  }

  /** From now on that kind does not hear. */
  void lose() {
    lost = true;
  }

  /** TLBs, heard by way of this. */
  TranslationCache of(TranslationCache tlbs) {
    if (deaf != Part.TLBS) {
      return tlbs;
    }
    InvocationHandler calls =
        (proxy, method, arguments) ->
            lost && method.getName().startsWith("drop") ? null : method.invoke(tlbs, arguments);
    Class<?>[] type = {TranslationCache.class};
    return (TranslationCache)
        Proxy.newProxyInstance(TranslationCache.class.getClassLoader(), type, calls);
  }

  /** The paging-structure caches of a CPU. */
  StructureCaches structures(MachineSpec spec, TlbGeometry tlb) {
    return deaf == Part.STRUCTURES
        ? new Deaf(spec, tlb)
        : new StructureCaches(tlb.structures(), tlb.replacement(), spec.seed());
  }

  private final class Deaf extends StructureCaches {
    Deaf(MachineSpec spec, TlbGeometry tlb) {
      super(tlb.structures(), tlb.replacement(), spec.seed());
    }

    @Override
    public void dropAll() {
      if (!lost) {
        super.dropAll();
      }
    }

    @Override
    public void dropVpid(long vpid) {
      if (!lost) {
        super.dropVpid(vpid);
      }
    }

    @Override
    public void dropSpace(long ofSpace) {
      if (!lost) {
        super.dropSpace(ofSpace);
      }
    }

    @Override
    public void dropPath(long address, PagingFormat format) {
      if (!lost) {
        super.dropPath(address, format);
      }
    }
  }
}
