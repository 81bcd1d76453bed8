// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;

/**
 * The constants of an {@link AssocCache}.
 *
 * @param array its shape, with at least one way
 * @param replacement how a victim is chosen
 * @param seed of random replacement
 */
public record CacheParts(Array array, Replacement replacement, long seed) {}
