// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.guest.InputException;
import dev.quire.api.x86.Access;
import dev.quire.launcher.conform.WalkVector.Expected;
import dev.quire.launcher.conform.WalkVector.Nested;
import dev.quire.launcher.conform.WalkVector.RegisterValues;
import dev.quire.launcher.conform.WalkVector.TableEntry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VectorReaderTest {
  private static final String VECTOR =
      """
      {"id":"pae-1","mode":"pae","maxphyaddr":46,"cr0":"80000031","cr3":"ffffffe0","cr4":"4000b0",
       "efer":"800","ac":1,"cpl":0,"pkru":"80000001","va":"da07e010","access":"w",
       "mem":[["3fffbfab2018","80000000807e9001",8],["807e9680","406ae007",4]],"tag":"wu",
       "expect":{"pf":{"code":"1f","cr2":"da07e010"}},
       "after_alt":{"bochs":[],"qemu":[["807e9680","406ae027"]]},"src":"qemu+bochs","norm":"x"}
      """;

  @TempDir Path folder;

  private WalkVector read(String text) {
    try (VectorReader reader = new VectorReader(file(text))) {
      return reader.next();
    }
  }

  private Path file(String text) {
    try {
      return Files.writeString(folder.resolve("v.jsonl"), text);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void everyFieldIsRead() {
    assertThat(read(VECTOR))
        .isEqualTo(
            new WalkVector(
                1,
                "pae-1",
                "pae",
                46,
                new RegisterValues(0x80000031L, 0xffffffe0L, 0x4000b0, 0x800, 0x80000001),
                0xda07e010L,
                Access.WRITE | Access.SMAP_EXEMPT,
                List.of(
                    new TableEntry(0x3fffbfab2018L, 0x80000000807e9001L, 8),
                    new TableEntry(0x807e9680L, 0x406ae007L, 4)),
                Optional.empty(),
                new Expected.PageFault(0x1f, 0xda07e010L),
                List.of(Map.of(), Map.of(0x807e9680L, 0x406ae027L))));
  }

  @Test
  void secondDimensionIsRead() {
    String nested =
        VECTOR
                .replace("\"pae\"", "\"ept\"")
                .replace("\"tag\"", "\"guest\":\"pae\",\"eptp\":\"4067801e\",\"tag\"")
                .replace("\"tag\"", "\"pdpte\":[\"0\",\"5400f001\"],\"tag\"")
                .replace("\"tag\"", "\"nmem\":[[\"55a91000\",\"7\",8]],\"tag\"")
                .replaceAll("(?s)\"expect\".*", "")
            + """
            "expect":{"ept":{"reason":"30","qual":"182","gpa":"5000","gla":"da07e010"}},
            "qual_ignore":"1","after":[]}
            """;
    WalkVector vector = read(nested);
    assertThat(vector.nested())
        .contains(
            new Nested(
                List.of(new TableEntry(0x55a91000L, 7, 8)),
                0x4067801eL,
                0,
                List.of(0L, 0x5400f001L)));
    assertThat(vector.expected())
        .isEqualTo(new Expected.NestedPageFault(0x182, 0x5000, 0xda07e010L, 1));
    assertThat(read(nested.replace("\"30\"", "\"31\"")).expected())
        .isEqualTo(new Expected.Misconfiguration(0x5000));
  }

  @Test
  void linesAreCounted() {
    try (VectorReader reader = new VectorReader(file(VECTOR + "\n" + VECTOR))) {
      assertThat(reader.next().line()).isEqualTo(1);
      assertThat(reader.next().line()).isEqualTo(7);
      assertThat(reader.next()).isNull();
    }
  }

  @Test
  void accessHasTheRightsItWasMadeWith() {
    assertThat(read(VECTOR.replace("\"cpl\":0", "\"cpl\":3")).access())
        .isEqualTo(Access.WRITE | Access.USER | Access.SMAP_EXEMPT);
    assertThat(read(VECTOR.replace("\"ac\":1", "\"ac\":0")).access()).isEqualTo(Access.WRITE);
    assertThat(read(VECTOR.replace("\"w\"", "\"x\"")).access())
        .isEqualTo(Access.FETCH | Access.SMAP_EXEMPT);
  }

  @Test
  void disagreementIsSettledByItsVerdict() {
    String open =
        VECTOR.replaceAll("(?s)\"expect\".*", "")
            + """
            "expect":null,"qemu":{"ok":{"pa":"55aa","size":null}},"bochs":{"gp_cr3":{"code":"0"}},
            "qemu_after":[["807e9680","406ae027"]],"bochs_after":[],"recorder_verdict":"VERDICT"}
            """;
    WalkVector qemu = read(open.replace("VERDICT", "qemu"));
    assertThat(qemu.expected()).isEqualTo(new Expected.Reached(0x55aa, 0));
    assertThat(qemu.after()).containsExactly(Map.of(0x807e9680L, 0x406ae027L));
    WalkVector bochs = read(open.replace("VERDICT", "bochs"));
    assertThat(bochs.expected()).isEqualTo(new Expected.RootRefused());
    assertThat(bochs.after()).containsExactly(Map.of());
    assertThat(read(open.replace("VERDICT", "open")).expected())
        .isEqualTo(new Expected.Unknown("no settled answer"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\0',
      value = {
        "\"cr3\":\"ffffffe0\", | | :5: field cr3 is missing",
        "\"ac\":1 | \"ac\":\"x\" | :2: ",
        "\"cr0\":\"80000031\" | \"cr0\":\"8000003g\" | :1: ",
        "\"tag\" | \"tog\" | :3: no such field: tog",
        "\"pae\" | \"6level\" | :5: no such mode: 6level",
        "\"access\":\"w\" | \"access\":\"rw\" | access rw: not r, w or x",
        "\"mem\":[ | \"mem\":7,\"norm\":[ | VALUE_NUMBER_INT in the place of START_ARRAY",
        "\"code\":\"1f\", | | an outcome lacks a number",
      })
  void damageIsNamedWithItsLine(String old, String by, String message) {
    assertThat(VECTOR).contains(old);
    Path file = file(VECTOR.replace(old, by == null ? "" : by));
    assertThatThrownBy(() -> new VectorReader(file).next())
        .isInstanceOf(InputException.class)
        .hasMessageStartingWith(file + ":")
        .hasMessageContaining(message);
  }

  @Test
  void cutFilesAreNamed() throws IOException {
    Path cut = file(VECTOR.substring(0, 150));
    assertThatThrownBy(() -> new VectorReader(cut).next())
        .isInstanceOf(InputException.class)
        .hasMessageStartingWith(cut + ":");
    byte[] whole = Files.readAllBytes(ConformanceTest.sample("native-pae"));
    Path gzip = Files.write(folder.resolve("v.gz"), Arrays.copyOf(whole, whole.length / 2));
    assertThatThrownBy(
            () -> {
              try (VectorReader reader = new VectorReader(gzip)) {
                while (reader.next() != null) {}
              }
            })
        .isInstanceOf(InputException.class)
        .hasMessageStartingWith(gzip + ":");
  }

  @Test
  void whatIsNoVectorIsNamed() {
    assertThatThrownBy(() -> read("[1]"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(":1: a vector { ... } is wanted");
    assertThatThrownBy(() -> new VectorReader(folder.resolve("absent")))
        .isInstanceOf(InputException.class)
        .hasMessage(folder.resolve("absent") + ": no such file");
  }
}
