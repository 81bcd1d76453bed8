// SPDX-License-Identifier: Apache-2.0
/** Tests of the trace reader, and {@link TraceWriter} for everybody's tests. */
@NullMarked
package dev.quire.guest.trace;

import org.jspecify.annotations.NullMarked;
