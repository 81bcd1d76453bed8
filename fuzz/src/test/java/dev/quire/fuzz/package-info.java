// SPDX-License-Identifier: Apache-2.0

/** What must stand any bytes. */
@NullMarked
package dev.quire.fuzz;

import org.jspecify.annotations.NullMarked;
