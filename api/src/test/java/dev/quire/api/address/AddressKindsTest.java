// SPDX-License-Identifier: Apache-2.0

package dev.quire.api.address;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Programs that mix kinds do not compile; programs that convert by name do. */
class AddressKindsTest {
  private static final String PARAMETERS =
      "long raw, @Gva long gva, @Gpa long gpa, @Gfn long gfn, @Mfn long mfn, @Maddr long maddr";

  @TempDir Path classes;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "@Mfn long x = gfn;",
        "@Gfn long x = mfn;",
        "@Gfn long x = gpa;",
        "@Gpa long x = gva;",
        "@Maddr long x = gpa;",
        "@Gfn long x = raw;",
        "@Mfn long x = raw + 1;",
        "@Mfn long x = gfn + mfn;",
        "@Gfn long x = Addresses.maddrToMfn(maddr);",
        "@Mfn long x = Addresses.maddrToMfn(gpa);",
        "@Mfn long x = Addresses.advance(gfn, 1);",
        "@Mfn long[] x = new @Gfn long[1];",
        "@Mfn long[] x = new @Mfn long[1]; x[0] = gfn;",
        "Taker.take(gfn);",
      })
  void mixingKindsIsRefused(String statement) throws IOException {
    assertThat(errors(statement)).isNotEmpty().allMatch(e -> e.contains("incompatible"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "@Gfn long x = gfn + 1;",
        "@Gfn long x = 0;",
        "long x = mfn;",
        "@Gfn long x = Addresses.gfn(raw);",
        "@Gfn long x = Addresses.gpaToGfn(gpa);",
        "@Gfn long x = Addresses.advance(gfn, raw);",
        "@Gva long x = Addresses.alignDown(gva, raw);",
        "@Mfn long x = Addresses.identityGfnToMfn(gfn);",
        "for (@Mfn long x = mfn; x < raw; x++) Taker.take(x);",
        "@Mfn long[] x = {mfn, Taker.take(mfn)};",
      })
  void namedConversionIsAccepted(String statement) throws IOException {
    assertThat(errors(statement)).isEmpty();
  }

  /** The other gates share the compiler run; if they fell out of it, nothing else would tell. */
  @Test
  void nullWhereNotAllowedIsRefused() throws IOException {
    assertThat(errors("String s = null; s.length();")).isNotEmpty();
    assertThat(errors("Taker.name(null);")).singleElement().asString().contains("NullAway");
  }

  private List<String> errors(String statement) throws IOException {
    String program =
        """
        package wrong;
        import dev.quire.api.address.*;
        @org.jspecify.annotations.NullMarked
        final class Program {
          interface Taker {
            static @Mfn long take(@Mfn long mfn) { return mfn; }
            static void name(String name) {}
          }
          static void run(%s) { %s }
        }
        """
            .formatted(PARAMETERS, statement);
    JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
    DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
    try (var files = javac.getStandardFileManager(found, Locale.ROOT, null)) {
      javac.getTask(null, files, found, options(), null, List.of(new Source(program))).call();
    }
    return found.getDiagnostics().stream()
        .filter(d -> d.getKind() == Diagnostic.Kind.ERROR)
        .map(d -> d.getMessage(Locale.ROOT))
        .toList();
  }

  private List<String> options() {
    String path = System.getProperty("java.class.path");
    return List.of(
        "-d",
        classes.toString(),
        "-classpath",
        path,
        "-processorpath",
        path,
        "-processor",
        "org.checkerframework.common.subtyping.SubtypingChecker",
        "-XDcompilePolicy=simple",
        "--should-stop=ifError=FLOW",
        System.getProperty("gate.errorprone"),
        System.getProperty("gate.kinds"));
  }

  private static final class Source extends SimpleJavaFileObject {
    private final String text;

    Source(String text) {
      super(URI.create("string:///wrong/Program.java"), Kind.SOURCE);
      this.text = text;
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return text;
    }
  }
}
