// SPDX-License-Identifier: Apache-2.0
/**
 * What runs for every access: walker, TLBs, paging-structure caches and the loop over a block. The
 * classes that do the work are templates, defined again for each structure of each machine with its
 * geometry as constants; {@code docs/kernel.md} tells how and why. Public members are public
 * because a template that is loaded un-hidden lives in a loader of its own; nothing here is
 * exported.
 */
@NullMarked
package dev.quire.hw.kernel;

import org.jspecify.annotations.NullMarked;
