// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;

/** What an access came to, in the words of the reference walk. */
final class NestedOutcome {
  private NestedOutcome() {}

  static String of(ExitReason reason, ControlBlock control, OperationBlock block) {
    return switch (reason) {
      case DONE -> String.format("reaches 0x%x", block.reached()[0]);
      case FAULT -> String.format("#PF 0x%x", control.exitErrorCode());
      default ->
          String.format(
              "%s 0x%x at 0x%x", reason, control.exitQualification(), control.exitGuestPhysical());
    };
  }
}
