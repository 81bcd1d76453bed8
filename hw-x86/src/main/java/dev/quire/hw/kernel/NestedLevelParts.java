// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.x86.NestedRules;
import org.jspecify.annotations.Nullable;

/**
 * The constants of a {@link NestedTableLevel}.
 *
 * @param level 1 for the lowest
 * @param below the next level; null for the lowest
 * @param rules of the tables
 * @param structures which may have a cache of this level's entries
 * @param hints where tables lie
 * @param counters the CPU's own
 */
public record NestedLevelParts(
    int level,
    @Nullable NestedLevel below,
    NestedRules rules,
    StructureCaches structures,
    FrameHints hints,
    Counters counters) {}
