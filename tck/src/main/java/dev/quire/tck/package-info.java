// SPDX-License-Identifier: Apache-2.0
/**
 * The contract of a paging backend as tests. A backend's author extends {@link
 * dev.quire.tck.PagingContract}, says which backend and which machines, and has the seven clauses
 * of the paging interface and the laws run on it. Machine, hypervisor and backends are found as
 * services on the class path.
 */
@NullMarked
package dev.quire.tck;

import org.jspecify.annotations.NullMarked;
