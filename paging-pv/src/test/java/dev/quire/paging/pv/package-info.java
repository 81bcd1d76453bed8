// SPDX-License-Identifier: Apache-2.0

/** Tests of PV guests. */
@NullMarked
package dev.quire.paging.pv;

import org.jspecify.annotations.NullMarked;
