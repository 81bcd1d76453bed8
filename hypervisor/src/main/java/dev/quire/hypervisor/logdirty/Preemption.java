// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.logdirty;

/**
 * Whether a long operation shall stop for now and be called again: Xen's {@code
 * hypercall_preempt_check}. Asked after each table page.
 */
@FunctionalInterface
public interface Preemption {
  /** Nobody waits. */
  Preemption NEVER = () -> false;

  /** Whether to stop. */
  boolean isRequested();
}
