// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.hw.OperationBlock;

/**
 * A hypercall that is being made: its number and arguments as in registers. One that has to stop
 * leaves here how it goes on, and is made again ({@code hypercall_create_continuation}).
 */
final class Call {
  private final long[] arguments = new long[OperationBlock.ARGUMENTS];
  private int number;
  private boolean again;

  /** Begins a call. */
  void set(long hypercall) {
    number = (int) hypercall;
    again = false;
  }

  int number() {
    return number;
  }

  long argument(int which) {
    return arguments[which];
  }

  void argument(int which, long value) {
    arguments[which] = value;
  }

  /** Whether it is to be made again, instead of being answered. */
  boolean isToBeMadeAgain() {
    return again;
  }

  /** Makes it again as it is; answers nothing. */
  long again() {
    again = true;
    return 0;
  }

  /** The same with other arguments. */
  long again(long first, long second, long third, long fourth) {
    arguments[0] = first;
    arguments[1] = second;
    arguments[2] = third;
    arguments[3] = fourth;
    return again();
  }
}
