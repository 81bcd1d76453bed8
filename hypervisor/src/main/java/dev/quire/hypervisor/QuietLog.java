// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Gfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.LogDirty;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A domain's dirty log as others see it: while an operation goes on, every vCPU is at a safe point,
 * as Xen pauses the domain. Marks need no such thing; they come from vCPUs.
 */
final class QuietLog implements LogDirty {
  private final GuestDomain domain;
  private final LogDirty log;

  QuietLog(GuestDomain domain, LogDirty log) {
    this.domain = domain;
    this.log = log;
  }

  private Errno quietly(Supplier<Errno> operation) {
    AtomicReference<Errno> result = new AtomicReference<>(Errno.OK);
    domain.quiesce(() -> result.set(operation.get()));
    return Objects.requireNonNull(result.get());
  }

  @Override
  public boolean isEnabled() {
    return log.isEnabled();
  }

  @Override
  public Errno enable() {
    return quietly(log::enable);
  }

  @Override
  public Errno disable() {
    return quietly(log::disable);
  }

  @Override
  public Errno clean(long @Nullable [] bitmap, long frames) {
    return quietly(() -> log.clean(bitmap, frames));
  }

  @Override
  public Errno peek(long[] bitmap, long frames) {
    return quietly(() -> log.peek(bitmap, frames));
  }

  @Override
  public void mark(@Gfn long gfn) {
    log.mark(gfn);
  }

  @Override
  public void faulted(@Gfn long gfn) {
    log.faulted(gfn);
  }

  @Override
  public Errno trackRange(@Gfn long first, long count, long[] bitmap) {
    return quietly(() -> log.trackRange(first, count, bitmap));
  }

  @Override
  public long faults() {
    return log.faults();
  }

  @Override
  public long dirtied() {
    return log.dirtied();
  }

  @Override
  public List<String> audit() {
    return log.audit();
  }
}
