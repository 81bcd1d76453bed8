// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.guest.InputException;
import dev.quire.launcher.torture.GuestProgram.Plan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Programs as text. */
class ProgramTextTest {
  @TempDir Path folder;

  private Path file(String... lines) throws IOException {
    return Files.write(folder.resolve("program"), java.util.List.of(lines));
  }

  @Test
  void whatIsWrittenIsReadAgain() throws IOException {
    Plan plan = new Plan(3, 2, 9, true);
    GuestProgram program = new GuestProgram(plan, new ProgramSource(plan, 11).next(2_000));
    Path file = Files.write(folder.resolve("program"), program.lines());
    assertThat(ProgramText.read(file)).isEqualTo(program);
  }

  @Test
  void commentsAndEmptyLinesAreLeftOut() throws IOException {
    Path file = file("# why", "", "guest vcpus 1 cpus 1 order 0", "v0 invlpg 0x1000 # a page");
    assertThat(ProgramText.read(file).operations())
        .containsExactly(GuestOperation.control(0, GuestOperation.Kind.INVLPG, 0x1000, 0));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "v1 read 0x0          | line 2: there is no vCPU 1",
        "v0 jump 0x0          | line 2: no operation",
        "v0 load 3 0x0        | line 2: a size of 1, 2, 4 or 8 bytes",
        "v0 store 8 0x0       | line 2: store takes 2 numbers",
        "v0 cr3 0xg           | line 2: \"0xg\" is no number",
      })
  void aMistakeIsToldWithItsLine(String line, String message) throws IOException {
    Path file = file("guest vcpus 1 cpus 1 order 0", line);
    assertThatThrownBy(() -> ProgramText.read(file))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(message);
  }

  @Test
  void withoutAGuestThereIsNoProgram() throws IOException {
    Path file = file("v0 read 0x0");
    assertThatThrownBy(() -> ProgramText.read(file)).hasMessageContaining("is wanted first");
  }
}
