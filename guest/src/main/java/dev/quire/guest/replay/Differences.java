// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Gva;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.Vector;
import java.util.ArrayList;
import java.util.List;

/** Puts differences of operations into words, with the walk behind them. */
final class Differences {
  private final Vcpu vcpu;
  private final DifferenceLog log;

  Differences(Vcpu vcpu, DifferenceLog log) {
    this.vcpu = vcpu;
    this.log = log;
  }

  /**
   * Notes that an operation did not end as recorded.
   *
   * @param block has run at least up to operation {@code i}
   * @param got how it ended
   * @param wanted how the recording says it ended
   */
  void add(OperationBlock block, int i, long record, String got, String wanted) {
    if (!log.wantsExplanation()) {
      log.add();
      return;
    }
    long operation = block.operations()[i];
    List<String> walk = new ArrayList<>();
    if (!Operation.isControl(operation)) {
      int later = block.next() - i - 1;
      if (later > 0) {
        walk.add("the walk as it is " + later + " operations later:");
      }
      walk.addAll(walk(vcpu, linear(block, i), operation & Access.MASK));
    }
    log.add(record, describe(block, i) + ": " + got + ", recorded is " + wanted, walk);
  }

  private static @Gva long linear(OperationBlock block, int i) {
    return Operation.linear(block.operations()[i]);
  }

  private static String describe(OperationBlock block, int i) {
    long operation = block.operations()[i];
    if (Operation.isControl(operation)) {
      return String.format("%s 0x%x", Operation.kind(operation), block.operands()[i]);
    }
    String store =
        (operation & Operation.DATA) == 0
            ? ""
            : String.format(" of 0x%x, %d bytes,", block.operands()[i], block.sizes()[i]);
    return String.format("%s%s at 0x%x", Access.describe(operation), store, linear(block, i));
  }

  /** A fault for people. */
  static String fault(int vector, int errorCode) {
    return vector == Vector.PF
        ? "#PF, error code " + ErrorCode.describe(errorCode)
        : Vector.describe(vector);
  }

  /** One walk of the guest's tables as they are now, line by line. */
  static List<String> walk(Vcpu vcpu, @Gva long linear, long access) {
    WalkTrace trace = new WalkTrace();
    return trace.explain(vcpu.translate(linear, access, trace));
  }
}
