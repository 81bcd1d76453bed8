// SPDX-License-Identifier: Apache-2.0

/** The dirty log: which guest frames were written since one last looked. */
@NullMarked
package dev.quire.hypervisor.logdirty;

import org.jspecify.annotations.NullMarked;
