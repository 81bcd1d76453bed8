// SPDX-License-Identifier: Apache-2.0

/** Tests of single walks, and the page on what they cost. */
@NullMarked
package dev.quire.guest.walks;

import org.jspecify.annotations.NullMarked;
