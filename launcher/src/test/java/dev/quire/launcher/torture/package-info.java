// SPDX-License-Identifier: Apache-2.0

/** Tests of the torture of PV domains. */
@NullMarked
package dev.quire.launcher.torture;

import org.jspecify.annotations.NullMarked;
