// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.Machine;
import dev.quire.api.paging.PagingDomain;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What a p2m needs of its domain and hypervisor.
 *
 * @param domain number of the domain
 * @param machine holds the tables and what they map
 * @param pool memory for tables
 * @param m2p of the machine
 * @param flusher makes CPUs forget the domain
 * @param backend to be told of changes; answers null while none is attached
 * @param dirtied to be told of each guest frame whose content is another now
 */
public record P2mHost(
    int domain,
    Machine machine,
    PagingPool pool,
    MachineToPhysical m2p,
    Flusher flusher,
    Supplier<@Nullable PagingDomain> backend,
    LongConsumer dirtied) {}
