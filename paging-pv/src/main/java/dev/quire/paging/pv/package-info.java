// SPDX-License-Identifier: Apache-2.0

/** Xen PV guests: direct pagetables, kept safe by the types of frames. */
@NullMarked
package dev.quire.paging.pv;

import org.jspecify.annotations.NullMarked;
