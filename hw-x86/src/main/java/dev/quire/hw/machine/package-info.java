// SPDX-License-Identifier: Apache-2.0
/** Puts machines together: the provider of {@link dev.quire.api.hw.MachineFactory}. */
@NullMarked
package dev.quire.hw.machine;

import org.jspecify.annotations.NullMarked;
