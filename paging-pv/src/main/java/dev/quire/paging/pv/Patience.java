// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import java.util.function.BooleanSupplier;

/**
 * When a hypercall must stop and let others run ({@code hypercall_preempt_check}). There is no
 * clock and no interrupt here: after so many questions, which are asked between two entries.
 */
interface Patience extends BooleanSupplier {
  /** A call begins or goes on. */
  void renew();

  /** For so many questions from each beginning on. */
  static Patience of(int questions) {
    return new Patience() {
      private int left = questions;

      @Override
      public void renew() {
        left = questions;
      }

      @Override
      public boolean getAsBoolean() {
        return left-- <= 0;
      }
    };
  }
}
