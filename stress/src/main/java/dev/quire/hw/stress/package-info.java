// SPDX-License-Identifier: Apache-2.0

/** What real threads may see of the machine. */
@NullMarked
package dev.quire.hw.stress;

import org.jspecify.annotations.NullMarked;
