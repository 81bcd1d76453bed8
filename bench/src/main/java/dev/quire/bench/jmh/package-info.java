// SPDX-License-Identifier: Apache-2.0
/** Microbenchmarks of single operations, for JMH. */
@NullMarked
package dev.quire.bench.jmh;

import org.jspecify.annotations.NullMarked;
