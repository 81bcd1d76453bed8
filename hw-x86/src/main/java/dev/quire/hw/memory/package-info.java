// SPDX-License-Identifier: Apache-2.0

/** Physical memory: sparse, shared by every CPU. */
@NullMarked
package dev.quire.hw.memory;

import org.jspecify.annotations.NullMarked;
