// SPDX-License-Identifier: Apache-2.0

/** A kernel with Xen PV mmu operations that switches between address spaces. */
@NullMarked
package dev.quire.guest.spaces;

import org.jspecify.annotations.NullMarked;
