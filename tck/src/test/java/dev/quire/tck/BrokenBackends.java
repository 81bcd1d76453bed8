// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import java.util.List;

/** The contract on backends with one defect each, in as few worlds as will do. */
final class BrokenBackends {
  private BrokenBackends() {}

  /** One machine, one kind of domain. */
  abstract static class Few extends PagingContract {
    @Override
    protected List<MachineSpec> machines() {
      return super.machines().subList(0, 1);
    }

    @Override
    protected List<DomainSpec> domains() {
      return super.domains().subList(0, 1);
    }

    @Override
    List<GuestMode> modes(MachineSpec machine) {
      return List.of(GuestMode.PAE, GuestMode.FOUR_LEVEL_PCID);
    }
  }

  /** No defect. */
  static final class Sound extends Few {
    @Override
    protected PagingBackend backend() {
      return new InterceptingBackend(service("native"));
    }
  }

  /** Clause 1. */
  static final class FixesNothing extends Few {
    @Override
    protected PagingBackend backend() {
      return new InterceptingBackend(service("native")) {
        @Override
        Resolution pageFault(Vcpu vcpu) {
          return Resolution.FIXED;
        }
      };
    }
  }

  /** Clause 2. */
  static final class KeepsItsRoot extends Few {
    @Override
    protected PagingBackend backend() {
      return new InterceptingBackend(service("native")) {
        @Override
        void updateCr3(PagingMode mode, Vcpu vcpu, boolean keepCached) {
          // the hardware goes on with the root that it has
        }
      };
    }
  }

  /** Clause 3. */
  static final class NeverInvalidates extends Few {
    @Override
    protected PagingBackend backend() {
      return new InterceptingBackend(service("native")) {
        @Override
        boolean invalidate(PagingMode mode, Vcpu vcpu, @Gva long linear) {
          return false;
        }
      };
    }
  }

  /** Clause 4. */
  static final class UsesACopyOfTheP2m extends Few {
    @Override
    protected PagingBackend backend() {
      return new P2mCopyBackend(service("hap-npt"));
    }
  }

  /** Clause 5. */
  static final class DoesNotBeginANewRound extends Few {
    @Override
    protected PagingBackend backend() {
      return new ForwardingBackend(service("hap-npt")) {
        @Override
        PagingDomain around(Domain domain, PagingDomain hold) {
          return new ForwardingDomain(hold) {
            @Override
            public Errno cleanLogDirty() {
              return Errno.OK;
            }
          };
        }
      };
    }
  }

  /** Takes two frames of the pool while it serves a domain. */
  private abstract static class TakesFrames extends ForwardingBackend {
    TakesFrames() {
      super(PagingContract.service("hap-npt"));
    }

    /** What becomes of the first frame if there is no second. */
    abstract void refused(PagingPool pool, @Mfn long first);

    /** What becomes of both in the end. */
    abstract void detached(PagingPool pool, @Mfn long first, @Mfn long second);

    @Override
    public PagingDomain attach(Domain domain) {
      PagingPool pool = domain.pool();
      @Mfn long first = pool.allocate();
      @Mfn long second = pool.allocate();
      if (second == PagingPool.NONE) {
        if (first != PagingPool.NONE) {
          refused(pool, first);
        }
        throw new BackendUnavailableException("no two frames in the pool");
      }
      return new ForwardingDomain(super.attach(domain)) {
        @Override
        public void detach() {
          super.detach();
          detached(pool, first, second);
        }
      };
    }
  }

  /** Clause 6. */
  static final class LeavesHalfWhenRefusing extends Few {
    @Override
    protected PagingBackend backend() {
      return new TakesFrames() {
        @Override
        void refused(PagingPool pool, @Mfn long first) {
          // forgotten
        }

        @Override
        void detached(PagingPool pool, @Mfn long first, @Mfn long second) {
          pool.free(first);
          pool.free(second);
        }
      };
    }
  }

  /** Clause 7. */
  static final class KeepsFramesWhenDetached extends Few {
    @Override
    protected PagingBackend backend() {
      return new TakesFrames() {
        @Override
        void refused(PagingPool pool, @Mfn long first) {
          pool.free(first);
        }

        @Override
        void detached(PagingPool pool, @Mfn long first, @Mfn long second) {
          pool.free(second);
        }
      };
    }
  }
}
