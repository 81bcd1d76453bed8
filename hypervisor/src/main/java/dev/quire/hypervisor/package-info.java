// SPDX-License-Identifier: Apache-2.0

/** What every paging backend shares: domains, vCPUs, frames, the exit loop. */
@NullMarked
package dev.quire.hypervisor;

import org.jspecify.annotations.NullMarked;
