// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

/** 128 bits of a state. */
final class Signature {
  private long first = 0x9e3779b97f4a7c15L;
  private long second = 0xc2b2ae3d27d4eb4fL;

  void add(long word) {
    first = Long.rotateLeft(first ^ word * 0x87c37b91114253d5L, 31) * 0x4cf5ad432745937fL;
    second = Long.rotateLeft(second + word * 0x52dce729L, 27) * 0x9fb21c651e98df25L ^ first;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Signature it && it.first == first && it.second == second;
  }

  @Override
  public int hashCode() {
    return Long.hashCode(first);
  }
}
