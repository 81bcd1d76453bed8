// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.house;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import dev.quire.launcher.config.Settings;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What users read and start from is there and in step with the program. */
class PagesTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#:]+)\\)");
  private static final Pattern CODE = Pattern.compile("`([a-z]+(?:\\.[a-z-]+)+)`");

  static Stream<Path> pages() throws IOException {
    try (Stream<Path> docs = Files.list(ROOT.resolve("docs"))) {
      List<Path> pages = docs.filter(it -> it.toString().endsWith(".md")).sorted().toList();
      return Stream.concat(
          Stream.of(ROOT.resolve("README.md"), ROOT.resolve("CAVEATS.md")), pages.stream());
    }
  }

  static Stream<Path> launches() throws IOException {
    try (Stream<Path> files = Files.list(ROOT.resolve("examples/launch"))) {
      return files.sorted().toList().stream();
    }
  }

  @ParameterizedTest
  @MethodSource("pages")
  void linksLeadSomewhere(Path page) throws IOException {
    Matcher links = LINK.matcher(Files.readString(page));
    while (links.find()) {
      assertThat(page.resolveSibling(links.group(1))).as(links.group()).exists();
    }
  }

  @ParameterizedTest
  @MethodSource("launches")
  void exampleIsACorrectConfigurationAndItsFilesExist(Path file) {
    Settings.WorkloadSettings workload = Settings.read(file, List.of()).workload();
    if (workload.kind().value().equals("replay")) {
      assertThat(Path.of(workload.options().get("trace"))).exists();
    }
  }

  /** In the page's tables a key that exists is what the defaults call it, with its default. */
  @Test
  void everyDefaultIsOnThePageOfTheConfiguration() throws IOException {
    String page = Files.readString(ROOT.resolve("docs/configuration.md"));
    defaults()
        .entrySet()
        .forEach(
            entry -> {
              String value =
                  entry.getValue().render(ConfigRenderOptions.concise()).replace("\"", "");
              assertThat(page).contains("`" + entry.getKey() + "`").contains("`" + value + "`");
            });
  }

  @Test
  void everyKeyOnThePageOfTheConfigurationExists() throws IOException {
    Matcher keys = CODE.matcher(Files.readString(ROOT.resolve("docs/configuration.md")));
    Config defaults = defaults();
    while (keys.find()) {
      String key = keys.group(1);
      assertThat(key.startsWith("workload.") || defaults.hasPath(key) || key.endsWith(".md"))
          .as(key)
          .isTrue();
    }
  }

  private static Config defaults() throws IOException {
    String resource = "/dev/quire/launcher/config/quire-defaults.conf";
    try (Reader in =
        new InputStreamReader(
            Settings.class.getResourceAsStream(resource), StandardCharsets.UTF_8)) {
      return ConfigFactory.parseReader(in);
    }
  }
}
