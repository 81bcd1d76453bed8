// SPDX-License-Identifier: Apache-2.0
/**
 * The machine: physical memory, CPUs, what they run with and why they stop. Implemented by {@code
 * hw-x86}; used by the hypervisor, by backends and by workloads. The road of one access is told in
 * {@link dev.quire.api.hw.Cpu}.
 */
@Version("0.1.0")
@Export
@NullMarked
package dev.quire.api.hw;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
