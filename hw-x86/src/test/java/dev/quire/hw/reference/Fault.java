// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

/** An exception: vector, error code and for a page fault CR2. */
public record Fault(int vector, int errorCode, long linear) {
  static final int UD = 6;
  static final int GP = 13;
  static final int PF = 14;
}
