// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The backend under test with a witness before it, which sees what it is asked and what it answers
 * and breaks in where an answer is wrong at that very moment.
 */
final class Watched extends ForwardingBackend {
  /** One p2m change of which the backend was told. */
  record P2mChange(@Gfn long gfn, int order, long before, long after) {
    boolean covers(@Gfn long frame) {
      return frame >= gfn && frame < gfn + (1L << order);
    }

    boolean touches(P2mChange other) {
      return gfn < other.gfn + (1L << other.order) && other.gfn < gfn + (1L << order);
    }
  }

  private final Map<Vcpu, PagingMode> modes = new HashMap<>();
  private final List<String> wrongs = new ArrayList<>();
  private final List<P2mChange> changes = new ArrayList<>();
  private final List<P2mChange> announced = new ArrayList<>();
  private long fixes;

  Watched(PagingBackend inner) {
    super(inner);
  }

  /** How many faults were answered by {@link Resolution#FIXED}. */
  long fixes() {
    return fixes;
  }

  /** The mode that the backend chose last for a vCPU. */
  PagingMode mode(Vcpu vcpu) {
    PagingMode mode = modes.get(vcpu);
    if (mode == null) {
      throw new IllegalStateException("vCPU " + vcpu.number() + " was never given a mode");
    }
    return mode;
  }

  /** The p2m changes of which the backend was told since {@link #forgetChanges}. */
  List<P2mChange> changes() {
    return List.copyOf(changes);
  }

  void forgetChanges() {
    changes.clear();
  }

  /** What was seen that must not be. */
  List<String> wrongs() {
    return List.copyOf(wrongs);
  }

  @Override
  PagingDomain around(Domain domain, PagingDomain hold) {
    return new Hold(domain, hold);
  }

  private Resolution count(Resolution answer) {
    fixes += answer == Resolution.FIXED ? 1 : 0;
    return answer;
  }

  private final class Hold extends ForwardingDomain {
    private final Domain domain;

    Hold(Domain domain, PagingDomain inner) {
      super(inner);
      this.domain = domain;
    }

    @Override
    public PagingMode updatePagingModes(Vcpu vcpu) {
      PagingMode mode = new Mode(super.updatePagingModes(vcpu));
      modes.put(vcpu, mode);
      return mode;
    }

    @Override
    public void p2mChanging(@Gfn long gfn, int order, long before, long after) {
      announced.add(new P2mChange(gfn, order, before, after));
      super.p2mChanging(gfn, order, before, after);
    }

    @Override
    public void p2mChanged(@Gfn long gfn, int order, long before, long after) {
      P2mChange change = new P2mChange(gfn, order, before, after);
      if (announced.stream().noneMatch(change::touches)) {
        wrongs.add("domain " + domain.id() + ": " + change + " was not announced");
      }
      announced.removeIf(change::touches);
      changes.add(change);
      super.p2mChanged(gfn, order, before, after);
    }
  }

  private final class Mode extends ForwardingMode {
    Mode(PagingMode inner) {
      super(inner);
    }

    @Override
    public Resolution pageFault(Vcpu vcpu) {
      return count(super.pageFault(vcpu));
    }

    @Override
    public Resolution nestedFault(Vcpu vcpu) {
      return count(super.nestedFault(vcpu));
    }

    @Override
    public boolean invalidate(Vcpu vcpu, @Gva long linear) {
      boolean hardwareToo = super.invalidate(vcpu, linear);
      if (!hardwareToo) {
        LiveTranslations.of(vcpu)
            .covering(linear)
            .forEach(
                entry ->
                    wrongs.add(
                        "invalidate of 0x"
                            + Long.toHexString(linear)
                            + " answers false, but there is "
                            + entry));
      }
      return hardwareToo;
    }
  }
}
