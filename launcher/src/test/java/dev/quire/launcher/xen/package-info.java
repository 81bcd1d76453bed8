// SPDX-License-Identifier: Apache-2.0

/** Tests of the records of a real Xen. */
@NullMarked
package dev.quire.launcher.xen;

import org.jspecify.annotations.NullMarked;
