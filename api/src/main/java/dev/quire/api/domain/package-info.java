// SPDX-License-Identifier: Apache-2.0
/** Domains and vCPUs: what every backend shares. Implemented by {@code hypervisor}. */
@Version("0.1.0")
@Export
@NullMarked
package dev.quire.api.domain;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
