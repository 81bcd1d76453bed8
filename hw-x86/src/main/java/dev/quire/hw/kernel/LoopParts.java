// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.x86.PagingFormat;
import org.jspecify.annotations.Nullable;

/**
 * The constants of a {@link BlockLoop}.
 *
 * @param format of the tables
 * @param cache the TLBs, null without caching
 * @param walker of that format
 * @param context the CPU's own
 * @param counters the CPU's own
 * @param nested whether the walker has a second dimension
 */
public record LoopParts(
    PagingFormat format,
    @Nullable TranslationCache cache,
    Walker walker,
    PagingContext context,
    Counters counters,
    boolean nested) {}
