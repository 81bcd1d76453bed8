// SPDX-License-Identifier: Apache-2.0
/**
 * A second machine, slow and written to be obviously right: walker and rights from the manuals'
 * sentences, TLBs as lists in order of use, memory as a map. It shares with the first one only the
 * interfaces that both are driven by and the rules of register writes, which have tests of their
 * own.
 */
@NullMarked
package dev.quire.hw.reference;

import org.jspecify.annotations.NullMarked;
