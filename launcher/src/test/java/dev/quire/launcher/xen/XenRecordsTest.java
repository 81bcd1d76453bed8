// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.guest.InputException;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.StandardHypervisorFactory;
import dev.quire.paging.pv.PvInterface;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a real Xen 4.17 did, and that a difference is seen. */
class XenRecordsTest {
  private static final Path RECORDS = Path.of("../examples/xen");
  private static final Path DUMP = RECORDS.resolve("dom0.dump.jsonl.zst");
  private static final Path HYPERCALLS = RECORDS.resolve("hypercalls.jsonl.zst");

  private final StringWriter text = new StringWriter();
  private final PrintWriter out = new PrintWriter(text);
  private final XenRecords records =
      new XenRecords(new X86MachineFactory(), new StandardHypervisorFactory(), new PvInterface());

  @TempDir Path directory;

  @Test
  void everyFrameOfARunningDom0IsCountedAsXenCountsIt() {
    assertThat(records.audit(DUMP, out, 9)).as(text::toString).isTrue();
    assertThat(text.toString()).contains("49,447     49,447").contains("RESULT  0 differences");
  }

  @Test
  void everyHypercallIsAnsweredAsXenAnswersIt() {
    assertThat(records.conform(HYPERCALLS, out, 9)).as(text::toString).isTrue();
    assertThat(text.toString()).contains("19,539 hypercalls");
  }

  @Test
  void oneReferenceTooManyIsADifference() throws IOException {
    Path changed = copy(DUMP, line -> line.replaceFirst("(\"t\":\"l2\".*\"rc\":)3,", "$14,"));
    assertThat(records.audit(changed, out, 9)).isFalse();
    assertThat(text.toString()).contains("differences: ").contains("general 4");
  }

  @Test
  void entryThatXenWouldHaveRewrittenIsADifference() throws IOException {
    boolean[] done = {false};
    Path changed =
        copy(
            DUMP,
            line -> {
              if (done[0] || !line.contains("\"k\":\"pt\"") || !line.contains("\"t\":\"l3\"")) {
                return line;
              }
              String other = line.replaceFirst("(?<=[0-9a-f]{13})067", "063");
              done[0] = !other.equals(line);
              return other;
            });
    assertThat(done[0]).isTrue();
    assertThat(records.audit(changed, out, 9)).isFalse();
    assertThat(text.toString()).contains("entries changed by promotion: 1");
  }

  @Test
  void anotherAnswerOfAHypercallIsADifference() throws IOException {
    Path changed =
        copy(HYPERCALLS, line -> line.contains("\"s\":1998,") ? line.replace("-22", "-16") : line);
    assertThat(records.conform(changed, out, 9)).isFalse();
    assertThat(text.toString()).contains("operation 1998, UNPIN: Xen answered -16, we EINVAL");
  }

  @Test
  void dumpThatIsCutOffIsRefusedWithItsName() throws IOException {
    Path cut = copy(DUMP, line -> line.contains("\"k\":\"end\"") ? "" : line);
    assertThatThrownBy(() -> records.audit(cut, out, 9))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(cut + ": ends before its end record");
  }

  @Test
  void damagedRecordIsRefusedWithItsLine() throws IOException {
    Path damaged =
        copy(
            HYPERCALLS,
            line -> line.contains("\"s\":7,") ? line.replace("\"p\":7", "\"p\":77") : line);
    assertThatThrownBy(() -> records.conform(damaged, out, 9))
        .isInstanceOf(InputException.class)
        .hasMessage(damaged + ": line 9: field p: page 77 is not in the pool");
  }

  /** A copy, uncompressed, with lines changed. */
  private Path copy(Path file, UnaryOperator<String> change) throws IOException {
    List<String> lines = new ArrayList<>();
    try (var in =
        new java.io.BufferedReader(
            new java.io.InputStreamReader(
                new com.github.luben.zstd.ZstdInputStreamNoFinalizer(Files.newInputStream(file)),
                java.nio.charset.StandardCharsets.UTF_8))) {
      in.lines().map(change).forEach(lines::add);
    }
    Path copy = directory.resolve("copy.jsonl");
    Files.write(copy, lines);
    return copy;
  }
}
