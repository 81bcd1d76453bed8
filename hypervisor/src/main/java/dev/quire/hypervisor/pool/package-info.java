// SPDX-License-Identifier: Apache-2.0

/** A domain's bounded memory for tables that are not the guest's. */
@NullMarked
package dev.quire.hypervisor.pool;

import org.jspecify.annotations.NullMarked;
