// SPDX-License-Identifier: Apache-2.0

/** Tests of what disturbs a guest. */
@NullMarked
package dev.quire.guest.disturb;

import org.jspecify.annotations.NullMarked;
