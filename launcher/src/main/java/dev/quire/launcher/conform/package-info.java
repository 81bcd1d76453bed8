// SPDX-License-Identifier: Apache-2.0
/**
 * Checks the machine against recorded vectors: one access each, on tables that are written down in
 * full, with what a real emulator answered. {@link dev.quire.launcher.conform.Conformance} does a
 * file; nothing here computes what is right, since the recording says it.
 */
@NullMarked
package dev.quire.launcher.conform;

import org.jspecify.annotations.NullMarked;
