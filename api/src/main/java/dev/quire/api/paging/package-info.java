// SPDX-License-Identifier: Apache-2.0
/**
 * The paging interface: what a backend implements, after Xen's {@code paging_domain} and {@code
 * paging_mode}. Begin with {@link dev.quire.api.paging.PagingMode}.
 */
@Version("0.1.0")
@Export
@NullMarked
package dev.quire.api.paging;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
