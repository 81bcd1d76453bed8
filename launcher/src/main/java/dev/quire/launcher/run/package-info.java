// SPDX-License-Identifier: Apache-2.0
/** One launch: the framework with its bundles, a machine, a domain, a workload, what came of it. */
@NullMarked
package dev.quire.launcher.run;

import org.jspecify.annotations.NullMarked;
