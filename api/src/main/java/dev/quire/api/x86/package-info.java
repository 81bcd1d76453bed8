// SPDX-License-Identifier: Apache-2.0
/**
 * x86 paging as the manuals define it: entry bits, formats, control registers, error codes, as data
 * and pure functions; and the rights rule. Nothing here has state; everybody may use it.
 */
@Version("0.1.0")
@Export
@NullMarked
package dev.quire.api.x86;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
