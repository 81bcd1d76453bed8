// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import org.jspecify.annotations.Nullable;

/**
 * Gives a domain to a backend while every vCPU is at a safe point. Until the new backend has taken
 * every vCPU, the old one is not touched, so that a refusal changes nothing.
 */
final class Handover {
  private final GuestDomain domain;
  private final PagingBackend backend;
  private final ControlBlock[] before;
  private final PagingMode[] modes;
  private @Nullable PagingDomain taken;

  private Handover(GuestDomain domain, PagingBackend backend) {
    this.domain = domain;
    this.backend = backend;
    before = new ControlBlock[domain.vcpus()];
    modes = new PagingMode[domain.vcpus()];
  }

  /**
   * Does it.
   *
   * @throws BackendUnavailableException if the backend refuses; nothing has changed
   */
  static void perform(GuestDomain domain, PagingBackend backend) {
    new Handover(domain, backend).perform();
  }

  private void perform() {
    Attachment old = domain.attachment();
    boolean logging = domain.tables().isLogging();
    if (logging && !backend.features().contains(Feature.LOG_DIRTY)) {
      throw new BackendUnavailableException(
          backend.name() + " cannot log writes, and the domain's dirty log is on");
    }
    if (old != null) {
      old.paging().drainLogDirty();
    }
    if (domain.guestInterface() != null && !backend.features().contains(Feature.PV)) {
      throw new BackendUnavailableException(
          backend.name() + " cannot serve a guest whose tables hold machine addresses");
    }
    PagingBackend forced = domain.forced();
    if (forced != null && forced != backend) {
      throw new BackendUnavailableException(
          "the domain has to stay with "
              + forced.name()
              + ", since CPUs have the L1 terminal fault");
    }
    boolean typed = domain.guestInterface() != null; // its tables hold machine addresses: no p2m
    Runnable undo = domain.tables().prepare(typed ? null : backend.p2mFormat());
    PagingDomain paging;
    try {
      paging = take();
    } catch (RuntimeException refused) {
      letGo();
      undo.run();
      throw refused;
    }
    commit(old, paging);
    if (logging && !paging.enableLogDirty().isOk()) {
      domain.crash("the backend " + backend.name() + " does not log writes as it says");
    }
  }

  private PagingDomain take() {
    for (int i = 0; i < before.length; i++) {
      before[i] = domain.vcpu(i).renewControl();
    }
    PagingDomain paging = backend.attach(domain);
    taken = paging;
    for (int i = 0; i < modes.length; i++) {
      modes[i] = paging.updatePagingModes(domain.vcpu(i));
    }
    return paging;
  }

  private void letGo() {
    if (taken != null) {
      taken.detach();
    }
    for (int i = 0; i < before.length; i++) {
      domain.vcpu(i).control(before[i]);
    }
  }

  private void commit(@Nullable Attachment old, PagingDomain paging) {
    for (int i = 0; i < modes.length; i++) {
      domain.vcpu(i).mode(modes[i]);
    }
    domain.attachment(new Attachment(backend, paging));
    domain.tables().listener(paging);
    if (old != null) {
      domain.flushCpus(); // before the frames of tables can be used for anything else
      old.paging().detach();
      domain.history().add(old);
    }
    domain.tables().settle();
    if (backend.p2mFormat() == null && backend.features().contains(Feature.IDENTITY)) {
      domain.tables().dropP2m();
    }
  }
}
