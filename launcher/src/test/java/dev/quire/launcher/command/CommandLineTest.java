// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.launcher.run.Home;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** What the command line says to people who make mistakes, in a distribution without bundles. */
class CommandLineTest {
  @TempDir Path home;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private String before;

  @BeforeEach
  void emptyDistribution() throws IOException {
    before = System.setProperty(Home.PROPERTY, home.toString());
    Files.createDirectory(home.resolve("bundles"));
  }

  @AfterEach
  void restore() {
    if (before == null) {
      System.clearProperty(Home.PROPERTY);
    } else {
      System.setProperty(Home.PROPERTY, before);
    }
  }

  private int execute(String... args) {
    CommandLine line = QuireCommand.commandLine();
    return line.setOut(new PrintWriter(out)).setErr(new PrintWriter(err)).execute(args);
  }

  private Path config(String text) throws IOException {
    return Files.writeString(home.resolve("x.conf"), text);
  }

  @Test
  void withoutACommandTheCommandsAreListed() {
    assertThat(execute()).isEqualTo(2);
    assertThat(err.toString())
        .contains("run", "replay", "conform", "backends", "explain", "generate-completion");
  }

  @ParameterizedTest
  @ValueSource(strings = {"run", "replay", "conform", "backends", "explain"})
  void everyCommandHasHelp(String command) {
    assertThat(execute(command, "--help")).isZero();
    assertThat(out.toString()).startsWith("Usage: quire " + command);
  }

  @Test
  void versionIsThatOfTheApi() {
    assertThat(execute("--version")).isZero();
    assertThat(out.toString()).startsWith("quire 0.1.0");
  }

  @Test
  void completionScriptIsGenerated() {
    assertThat(execute("generate-completion")).isZero();
    assertThat(out.toString()).contains("_complete_quire", "replay", "--check-ad");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "rum | Unmatched argument at index 0: 'rum'",
        "run | Missing required parameter: 'CONFIG'",
        "run --seed x y.conf | Invalid value for option '--seed'",
        "replay --paging | Missing required parameter for option '--paging'",
        "conform | a FILE or --matrix is wanted",
        "conform --matrix x --paging a,b | a FILE or --matrix is wanted",
        "conform --matrix --paging native | --matrix compares two backends or more",
        "conform --every 2 x | --every goes with --matrix",
        "explain --trace x | Missing required argument (specify one of these)",
        "explain --trace x --at 1 --instruction 2 | are mutually exclusive",
        "explain --at 1 | Missing required option: '--trace=FILE'",
      })
  void mistakenArgumentsAreToldInTwoLines(String arguments, String message) {
    assertThat(execute(arguments.split(" "))).isEqualTo(2);
    assertThat(err.toString()).startsWith("quire: ").contains(message).contains("--help");
    assertThat(out.toString()).isEmpty();
  }

  @Test
  void mistakeInAConfigurationIsOneLine() throws IOException {
    Path config = config("machine.cpus = many");
    assertThat(execute("run", config.toString())).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "quire: "
                + config
                + ":1: machine.cpus: a whole number is wanted, not \"many\""
                + System.lineSeparator());
  }

  @Test
  void absentConfigurationIsNamed() {
    assertThat(execute("run", "nowhere.conf")).isEqualTo(2);
    assertThat(err.toString()).contains("nowhere.conf: no such configuration file");
  }

  @Test
  void absentBundleIsNamedWithItsPlace() throws IOException {
    Path config = config("bundles = [ some.bundle ]");
    assertThat(execute("run", config.toString())).isEqualTo(2);
    assertThat(err.toString())
        .contains(config + ":1: bundles: no bundle \"some.bundle\" in " + home.resolve("bundles"));
  }

  @Test
  void backendThatNobodyProvidesIsNamed() {
    assertThat(execute("replay", "--paging", "shadow", "x.zst")).isEqualTo(2);
    assertThat(err.toString())
        .contains(
            "--paging shadow: paging.backend: no paging backend \"shadow\"; no bundle that was started provides any");
  }

  @Test
  void conformanceWithoutAMachineIsNamed() {
    assertThat(execute("conform", "x")).isEqualTo(2);
    assertThat(err.toString()).contains("no bundle that was started provides machines");
  }

  @Test
  void badPluginStopsARunAndIsShownAmongTheBackends() throws IOException {
    Path plugins = Files.createDirectory(home.resolve("plugins"));
    Path bad = Files.writeString(plugins.resolve("bad.jar"), "nothing");
    assertThat(execute("replay", "x.zst")).isEqualTo(2);
    assertThat(err.toString()).startsWith("quire: " + bad + ": not a readable jar");
    assertThat(execute("backends")).isEqualTo(2);
    assertThat(out.toString()).contains("paging backend: none");
  }

  @Test
  void reportThatCannotBeWrittenStopsTheRunBeforeItBegins() throws IOException {
    Path config = config("");
    Path json = home.resolve("absent/out.json");
    assertThat(execute("run", config.toString(), "--json", json.toString())).isEqualTo(2);
    assertThat(err.toString()).contains(json + ": cannot be written");
  }
}
