// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.PagingWork;
import java.util.function.LongPredicate;

/**
 * The end of a domain ({@code domain_relinquish_resources}): roots and descriptor tables of each
 * vCPU, then every pin, then what was left half validated by calls that nobody will make again.
 * What all of that held comes apart with it. Stops where a call would and begins anew.
 */
final class Teardown {
  private final PvDomain domain;
  private final FrameTable frames;
  private final PagingWork work;
  private final PvVcpu vcpu;

  private Teardown(PvDomain domain) {
    this.domain = domain;
    frames = domain.host().frames();
    vcpu = domain.vcpu(0);
    work = vcpu.work();
  }

  static Errno of(PvDomain domain, int vcpus) {
    Teardown teardown = new Teardown(domain);
    teardown.vcpu.beginCall();
    domain.grants().close();
    Grants.release(domain, teardown.work);
    for (int number = 0; number < vcpus; number++) {
      PvVcpu each = domain.vcpu(number);
      each.beginCall();
      each.descriptors().dropGdt();
      each.descriptors().dropLdt();
      if (!each.roots().destroy().isOk() || !each.work().finish(teardown.frames).isOk()) {
        return Errno.ERESTART;
      }
    }
    return teardown.frames();
  }

  private Errno frames() {
    boolean done =
        each(mfn -> (frames.typeWord(Addresses.mfn(mfn)) & FrameWords.PINNED) != 0, this::unpin)
            && each(mfn -> isPartial(Addresses.mfn(mfn)), this::complete);
    if (done) {
      domain.takeBack(work);
    }
    return done ? Errno.OK : Errno.ERESTART;
  }

  /** Does something to each frame of the domain for which it is to be done; false if it stopped. */
  private boolean each(LongPredicate which, LongPredicate action) {
    boolean[] goesOn = {true};
    frames.forEachOwned(
        domain.id(), mfn -> goesOn[0] = goesOn[0] && (!which.test(mfn) || action.test(mfn)));
    return goesOn[0];
  }

  private boolean unpin(long mfn) {
    domain.tables().unpin(Addresses.mfn(mfn), work);
    return work.finish(frames).isOk();
  }

  private boolean isPartial(@Mfn long mfn) {
    return (frames.typeWord(mfn) & FrameWords.PARTIAL) != 0;
  }

  /** What is put off has a general reference of its own, beside that of the partial state. */
  private boolean complete(long mfn) {
    frames.get(Addresses.mfn(mfn), domain.id());
    work.defer(Addresses.mfn(mfn), Addresses.mfn(FrameTable.NO_PARENT), true);
    return work.finish(frames).isOk();
  }
}
