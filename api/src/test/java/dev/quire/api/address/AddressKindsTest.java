// SPDX-License-Identifier: Apache-2.0

package dev.quire.api.address;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Statements that mix kinds do not compile; statements that convert by name do. */
class AddressKindsTest {
  private static final List<String> MIXED =
      List.of(
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
          "take(gfn);");

  private static final List<String> CONVERTED =
      List.of(
          "@Gfn long x = gfn + 1;",
          "@Gfn long x = 0;",
          "long x = mfn;",
          "@Gfn long x = Addresses.gfn(raw);",
          "@Gfn long x = Addresses.gpaToGfn(gpa);",
          "@Gfn long x = Addresses.advance(gfn, raw);",
          "@Gva long x = Addresses.alignDown(gva, raw);",
          "@Mfn long x = Addresses.identityGfnToMfn(gfn);",
          "for (@Mfn long x = mfn; x < raw; x++) take(x);",
          "@Mfn long[] x = {mfn, take(mfn)};");

  @TempDir Path classes;

  @Test
  void everyStatementThatMixesKindsIsRefused() throws IOException {
    Map<String, String> errors = errors(MIXED);
    assertThat(errors.keySet()).containsExactlyInAnyOrderElementsOf(MIXED);
    assertThat(errors.values()).allMatch(message -> message.contains("incompatible"));
  }

  @Test
  void namedConversionIsAccepted() throws IOException {
    assertThat(errors(CONVERTED)).isEmpty();
  }

  /** The other gate shares the compiler run; if it fell out, nothing else would tell. */
  @Test
  void nullWhereNotAllowedIsRefused() throws IOException {
    assertThat(errors(List.of("name(null);"))).containsKey("name(null);");
  }

  /** The first error in each statement that has one. */
  private Map<String, String> errors(List<String> statements) throws IOException {
    StringBuilder program =
        new StringBuilder(
            """
            package mixed; import dev.quire.api.address.*; @org.jspecify.annotations.NullMarked \
            final class Program { static @Mfn long take(@Mfn long mfn) { return mfn; } \
            static void name(String name) {} %n"""
                .formatted());
    for (int i = 0; i < statements.size(); i++) {
      program.append(
          """
          static void run%d(long raw, @Gva long gva, @Gpa long gpa, @Gfn long gfn, @Mfn long mfn, \
          @Maddr long maddr) { %s }
          """
              .formatted(i, statements.get(i)));
    }
    return compile(program.append('}').toString()).stream()
        .filter(d -> d.getKind() == Diagnostic.Kind.ERROR)
        .collect(
            Collectors.toMap(
                d -> statements.get((int) d.getLineNumber() - 2),
                d -> d.getMessage(Locale.ROOT),
                (first, second) -> first));
  }

  private List<Diagnostic<? extends JavaFileObject>> compile(String program) throws IOException {
    JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
    DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
    try (var files = javac.getStandardFileManager(found, Locale.ROOT, null)) {
      javac.getTask(null, files, found, options(), null, List.of(new Source(program))).call();
    }
    return found.getDiagnostics();
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
      super(URI.create("string:///mixed/Program.java"), Kind.SOURCE);
      this.text = text;
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return text;
    }
  }
}
