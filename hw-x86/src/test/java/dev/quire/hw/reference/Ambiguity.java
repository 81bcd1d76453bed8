// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

/**
 * Two live entries could serve one access: the guest changed the size or the globality of a page
 * without invalidation, and either answer is right (SDM vol. 3, 4.10.2.3). Nothing exact can be
 * said from here on.
 */
public final class Ambiguity extends RuntimeException {
  private static final long serialVersionUID = 1L;

  Ambiguity(String what) {
    super(what);
  }
}
