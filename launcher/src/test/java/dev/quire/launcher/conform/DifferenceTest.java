// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.launcher.conform.Conformance.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A machine that did not do as recorded would be found: here the recording is changed instead. */
class DifferenceTest {
  private static final String READ =
      """
      {"id":"r","mode":"4level","maxphyaddr":40,"cr0":"80010031","cr3":"10000","cr4":"20",\
      "efer":"d00","ac":0,"cpl":3,"pkru":"0","va":"8000123456","access":"r",\
      "mem":[["10008","11007",8],["11000","12007",8],["12000","13007",8],["13918","abcde025",8]],\
      "expect":{"ok":{"pa":"abcde456","size":"1000"}},\
      "after":[["10008","11027"],["11000","12027"],["12000","13027"]],"src":"made up"}
      """;

  private static final String WRITE =
      READ.replace("\"access\":\"r\"", "\"access\":\"w\"").replaceAll("\"expect\".*", "")
          + """
          "expect":{"pf":{"code":"7","cr2":"8000123456"}},
          "after_alt":{"bochs":[],"qemu":[["10008","11027"],["11000","12027"],["12000","13027"]]}}
          """;

  @TempDir Path folder;

  private Result check(String vectors) {
    try {
      Path file = Files.writeString(folder.resolve("v.jsonl"), vectors);
      return ConformanceTest.conformance().check(file, WorkloadMonitor.NONE);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String replaced(String text, String old, String by) {
    assertThat(text).contains(old);
    return text.replace(old, by);
  }

  @Test
  void recordingAsItIsPasses() {
    assertThat(check(READ + WRITE + READ).passed()).isEqualTo(3);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"pa\":\"abcde456\" | \"pa\":\"abcde457\" | expected that it reaches 0xabcde457",
        "\"size\":\"1000\" | \"size\":\"200000\" | expected a page of 0x200000, not of 0x1000",
        "[\"12000\",\"13027\"]] | [\"12000\",\"13007\"]] | entry at 0x12000 was 0x13007, is 0x13027",
        "[[\"10008\",\"11027\"], | [[\"13918\",\"abcde065\"], | none of the permitted variants",
        "\"ok\":{\"pa\":\"abcde456\",\"size\":\"1000\"} | \"pf\":{\"code\":\"5\",\"cr2\":\"1\"} |"
            + " expected that it raises #PF 0x5 (P U) at 0x1",
        "\"abcde025\" | \"abcde021\" | but it raises",
      })
  void changeOfASuccessIsFound(String old, String by, String told) {
    Result result = check(replaced(READ, old, by));
    assertThat(result.failed()).isEqualTo(1);
    assertThat(result.failures())
        .singleElement()
        .asString()
        .contains("r (line 1): user read of 0x8000123456")
        .contains(told.replace("but it", "it"))
        .contains("level 4  index   1")
        .contains("level 1  index 291");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"code\":\"7\" | \"code\":\"6\"",
        "\"cr2\":\"8000123456\" | \"cr2\":\"8000123457\"",
        "\"bochs\":[] | \"bochs\":[[\"10008\",\"11027\"]]",
        "\"expect\":{\"pf\":{\"code\":\"7\",\"cr2\":\"8000123456\"}} |"
            + " \"expect\":{\"gp_cr3\":{\"code\":\"0\"}}",
      })
  void changeOfAFaultIsFound(String old, String by) {
    Result result = check(replaced(WRITE, old, by));
    assertThat(result.failed()).isEqualTo(1);
    assertThat(result.failures()).singleElement().asString().contains("refused by READ_ONLY");
  }

  @Test
  void eitherEmulatorsAccessedBitsAreAccepted() {
    String qemuOnly = replaced(WRITE, "\"bochs\":[],", "");
    assertThat(check(qemuOnly).failed()).isEqualTo(1);
    assertThat(check(WRITE).failed()).isZero();
  }

  @Test
  void onlyTheFirstFailuresAreExplained() {
    String wrong = replaced(READ, "abcde456", "abcde457");
    Result result = check(wrong.repeat(5));
    assertThat(result.failed()).isEqualTo(5);
    assertThat(result.failures()).hasSize(3);
  }

  @Test
  void failureLeavesNoEntryBehind() {
    String unmapped =
        replaced(READ, "[\"13918\",\"abcde025\",8]", "[\"14000\",\"0\",8]")
            .replaceAll(
                "\"expect\".*\"after\"",
                "\"expect\":{\"pf\":{\"code\":\"4\",\"cr2\":\"8000123456\"}},\"after\"")
            .replaceAll("\"after\":.*]],", "\"after\":[],");
    assertThat(check(replaced(READ, "abcde456", "abcde457") + unmapped))
        .extracting(Result::passed, Result::failed)
        .containsExactly(1L, 1L);
  }

  @Test
  void unsettledVectorIsSkippedWithItsReason() {
    String open =
        replaced(
            READ, "\"expect\":{\"ok\":{\"pa\":\"abcde456\",\"size\":\"1000\"}}", "\"expect\":null");
    assertThat(check(open).skipped()).isEqualTo(Map.of("no settled answer", 1L));
  }
}
