// SPDX-License-Identifier: Apache-2.0

/**
 * Hardware-assisted paging: the guest runs its own tables, the hardware translates what they give
 * once more, by the domain's p2m. Xen's {@code mm/hap}.
 *
 * <pre>
 *   NptBackend, EptBackend   what a configuration chooses: a {@link dev.quire.paging.hap.Dimension} each
 *    `- HapDomain            a domain: log-dirty, audit, statistics
 *        |- HapMode          a vCPU: its mode, its nested faults
 *        `- ModificationLog  a vCPU's PML buffer
 * </pre>
 */
@NullMarked
package dev.quire.paging.hap;

import org.jspecify.annotations.NullMarked;
