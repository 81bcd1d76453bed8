// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.x86.NestedRules;
import dev.quire.hw.memory.SparseMemory;

/**
 * The constants of a {@link NestedWalker}.
 *
 * @param rules of the tables
 * @param memory where tables lie
 * @param counters the CPU's own
 * @param caches the CPU's own
 */
public record NestedParts(
    NestedRules rules, SparseMemory memory, Counters counters, NestedCaches caches) {}
