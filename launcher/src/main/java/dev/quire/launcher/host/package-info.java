// SPDX-License-Identifier: Apache-2.0
/**
 * The OSGi framework and what it finds. Bundles and drop-in jars go in, providers come out as
 * services of the types in {@link dev.quire.launcher.host.ServiceType}; whoever uses one holds a
 * {@link dev.quire.launcher.host.Slot}.
 */
@NullMarked
package dev.quire.launcher.host;

import org.jspecify.annotations.NullMarked;
