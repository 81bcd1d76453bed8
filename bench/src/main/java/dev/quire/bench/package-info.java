// SPDX-License-Identifier: Apache-2.0
/**
 * Benchmarks: what an access costs, beside C kernels that do the same work, and what a lot of
 * memory or many domains cost. Never part of the distribution.
 */
@NullMarked
package dev.quire.bench;

import org.jspecify.annotations.NullMarked;
