// SPDX-License-Identifier: Apache-2.0

/** Random hypercalls and stores of two PV domains against each other. */
@NullMarked
package dev.quire.launcher.torture;

import org.jspecify.annotations.NullMarked;
