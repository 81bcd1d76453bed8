// SPDX-License-Identifier: Apache-2.0

/** The frame table: owners, references, types. */
@NullMarked
package dev.quire.hypervisor.frames;

import org.jspecify.annotations.NullMarked;
