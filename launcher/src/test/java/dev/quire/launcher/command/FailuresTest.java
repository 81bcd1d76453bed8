// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** How a command ends that throws. */
class FailuresTest {
  private final StringWriter err = new StringWriter();

  @Command(name = "plug-in")
  private static final class OfAnotherApi implements Callable<Integer> {
    @Override
    public Integer call() {
      throw new AbstractMethodError("of a plug-in");
    }
  }

  @Test
  void anErrorIsADefectAndNotADifference() {
    CommandLine line = QuireCommand.commandLine();
    line.addSubcommand("plug-in", new OfAnotherApi());
    line.setExecutionStrategy(Failures::execute).setErr(new PrintWriter(err));
    assertThat(line.execute("plug-in")).isEqualTo(Failures.DEFECT);
    assertThat(err.toString()).contains("defect in Quire or in a plug-in", "of a plug-in");
  }
}
