// SPDX-License-Identifier: Apache-2.0

/** What one access costs: single walks, measured. */
@NullMarked
package dev.quire.guest.walks;

import org.jspecify.annotations.NullMarked;
