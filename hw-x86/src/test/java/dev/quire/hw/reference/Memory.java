// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

/** What a walk reads. */
@FunctionalInterface
public interface Memory {
  /** Some bytes, zero-extended. */
  long read(long address, int bytes);
}
