// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/** A domain under hardware-assisted paging. All that it owns is the log buffers of its vCPUs. */
final class HapDomain implements PagingDomain {
  private final Dimension dimension;
  private final Domain domain;
  private final P2m p2m;
  private final HapMode[] modes;

  /** One for each vCPU while hardware logs writes, otherwise null. */
  private volatile ModificationLog @Nullable [] logs;

  private final AtomicLong changes = new AtomicLong();
  private final AtomicLong lazyChanges = new AtomicLong();
  private final AtomicLong logged = new AtomicLong();
  private final AtomicLong rounds = new AtomicLong();

  HapDomain(Dimension dimension, Domain domain) {
    this.dimension = dimension;
    this.domain = domain;
    this.p2m = domain.p2m();
    modes = new HapMode[domain.vcpus()];
    for (int i = 0; i < modes.length; i++) {
      modes[i] = new HapMode(this, p2m);
    }
  }

  @Override
  public PagingMode updatePagingModes(Vcpu vcpu) {
    HapMode mode = modes[vcpu.number()];
    mode.choose(vcpu);
    if (!dimension.isLoaded(vcpu.control().nested(), p2m)) {
      dimension.load(vcpu.control().nested(), p2m, domain.machine().profile());
    }
    return mode;
  }

  @Override
  public void guestMemoryChanged(@Gfn long first, long count) {
    // nothing is derived from what guest memory holds
  }

  @Override
  public void p2mChanged(@Gfn long gfn, int order, long before, long after) {
    changes.incrementAndGet();
  }

  @Override
  public void p2mTypesChanged(@Gfn long first, long count) {
    lazyChanges.incrementAndGet();
  }

  // ---- log-dirty ----

  @Override
  public Errno enableLogDirty() {
    if (dimension.logsInHardware(domain.machine().profile())) {
      startLogs();
    }
    Errno armed = arm();
    if (!armed.isOk()) {
      stopLogs();
    }
    return armed;
  }

  /** Every frame is to be seen at its next write, or logged by hardware. */
  private Errno arm() {
    rounds.incrementAndGet();
    return p2m.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
  }

  /** Where the pool has no frames for the logs, frames are write-protected as without hardware. */
  private void startLogs() {
    PagingPool pool = domain.pool();
    ModificationLog[] made = new ModificationLog[domain.vcpus()];
    for (int i = 0; i < made.length; i++) {
      @Mfn long frame = pool.allocate();
      if (frame == PagingPool.NONE) {
        free(made, i);
        return;
      }
      made[i] = new ModificationLog(domain.vcpu(i), frame);
    }
    for (ModificationLog log : made) {
      log.start();
    }
    logs = made;
    p2m.hardwareLogs(true);
  }

  private void stopLogs() {
    ModificationLog[] now = logs;
    if (now != null) {
      p2m.hardwareLogs(false);
      logs = null;
      for (ModificationLog log : now) {
        log.stop();
      }
      free(now, now.length);
    }
  }

  private void free(ModificationLog[] made, int count) {
    for (int i = 0; i < count; i++) {
      domain.pool().free(made[i].frame());
    }
  }

  @Override
  public Errno disableLogDirty() {
    stopLogs();
    return p2m.changeTypeGlobal(P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
  }

  @Override
  public void drainLogDirty() {
    for (int i = 0; i < domain.vcpus(); i++) {
      drain(domain.vcpu(i));
    }
  }

  void drain(Vcpu vcpu) {
    ModificationLog[] now = logs;
    if (now != null) {
      logged.addAndGet(now[vcpu.number()].drain());
    }
  }

  @Override
  public Errno cleanLogDirty() {
    return arm();
  }

  // ---- the rest ----

  @Override
  public void detach() {
    drainLogDirty();
    stopLogs();
  }

  @Override
  public List<String> audit() {
    List<String> wrong = new ArrayList<>();
    boolean logging = logs != null;
    for (int i = 0; i < domain.vcpus(); i++) {
      Vcpu vcpu = domain.vcpu(i);
      if (!dimension.isLoaded(vcpu.control().nested(), p2m)) {
        wrong.add("vCPU " + i + " does not run with the p2m's root");
      }
      if (!modes[i].isChosen(vcpu)) {
        wrong.add("vCPU " + i + " intercepts what hardware-assisted paging does not");
      }
      if (vcpu.control().nested().logging != logging) {
        wrong.add("vCPU " + i + (logging ? " logs no writes" : " logs writes"));
      }
    }
    if (p2m.format() != dimension.p2mFormat()) {
      wrong.add("the p2m has the format " + p2m.format());
    }
    return wrong;
  }

  @Override
  public Map<String, Long> statistics() {
    Map<String, Long> statistics = new LinkedHashMap<>();
    statistics.put("nested-faults", sum(it -> it.faults));
    statistics.put("misconfigurations", sum(it -> it.misconfigurations));
    statistics.put("misconfigurations-spurious", sum(it -> it.spurious));
    statistics.put("recalculations", sum(it -> it.recalculations));
    statistics.put("p2m-changes", changes.get());
    statistics.put("p2m-changes-lazy", lazyChanges.get());
    statistics.put("log-dirty-rounds", rounds.get());
    statistics.put("pml-entries", logged.get());
    statistics.put("pml-full", sum(it -> it.fullLogs));
    return statistics;
  }

  private long sum(ToLongFunction<HapMode.Counts> count) {
    long sum = 0;
    for (HapMode mode : modes) {
      sum += count.applyAsLong(mode.counts());
    }
    return sum;
  }
}
