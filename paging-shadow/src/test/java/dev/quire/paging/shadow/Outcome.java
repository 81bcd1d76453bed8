// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

/** What an operation came to, as the guest sees it. */
record Outcome(int vector, int errorCode, long linear, long gpa, long result) {
  static Outcome done(long gpa, long result) {
    return new Outcome(0, 0, 0, gpa, result);
  }

  static Outcome fault(int vector, int errorCode, long linear) {
    return new Outcome(vector, errorCode, linear, 0, 0);
  }

  boolean succeeded() {
    return vector == 0;
  }

  @Override
  public String toString() {
    return succeeded()
        ? String.format("done at 0x%x, result 0x%x", gpa, result)
        : String.format("vector %d, error code 0x%x at 0x%x", vector, errorCode, linear);
  }
}
