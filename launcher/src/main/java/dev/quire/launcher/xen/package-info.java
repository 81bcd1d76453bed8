// SPDX-License-Identifier: Apache-2.0

/** What was recorded of a real Xen: memory dumps, and hypercalls with their answers. */
@NullMarked
package dev.quire.launcher.xen;

import org.jspecify.annotations.NullMarked;
