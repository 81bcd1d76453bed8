// SPDX-License-Identifier: Apache-2.0

/** The rules of writing control registers. */
@NullMarked
package dev.quire.hw.registers;

import org.jspecify.annotations.NullMarked;
