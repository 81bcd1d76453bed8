// SPDX-License-Identifier: Apache-2.0
/** Workloads: what guests do. Implemented by {@code guest} and by third parties. */
@Version("0.1.0")
@Export
@NullMarked
package dev.quire.api.guest;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
