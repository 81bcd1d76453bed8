// SPDX-License-Identifier: Apache-2.0

/** Starts the framework with the bundles of a configuration, runs, reports. */
@NullMarked
package dev.quire.launcher;

import org.jspecify.annotations.NullMarked;
