// SPDX-License-Identifier: Apache-2.0

/** The machine: physical memory, control registers, page walkers, TLBs. */
@NullMarked
package dev.quire.hw;

import org.jspecify.annotations.NullMarked;
