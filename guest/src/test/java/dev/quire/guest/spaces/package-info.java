// SPDX-License-Identifier: Apache-2.0

/** Tests of the address spaces of a PV guest. */
@NullMarked
package dev.quire.guest.spaces;

import org.jspecify.annotations.NullMarked;
