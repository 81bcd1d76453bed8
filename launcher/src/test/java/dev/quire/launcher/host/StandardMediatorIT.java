// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The distribution's bundles with Apache Aries SPI Fly in the place of Quire's own extender. */
class StandardMediatorIT {
  private static final Path BUNDLES = Path.of(System.getProperty("quire.home"), "bundles");
  private static final Path SPI_FLY = Path.of(System.getProperty("quire.spifly"));

  private static List<String> found(PluginHost host) {
    List<String> found = new ArrayList<>();
    for (ServiceType<?> type : ServiceType.ALL) {
      host.providers(type).forEach(it -> found.add(it.service().getClass().getName() + it.name()));
    }
    return found;
  }

  @Test
  void findsTheProvidersThatOurExtenderFinds() {
    List<Path> bundles = new BundleFolder(BUNDLES).jars();
    try (PluginHost ours = new PluginHost(ApiManifest.read());
        PluginHost standard = new PluginHost(ApiManifest.read(), false)) {
      ours.launch(bundles);
      standard.launch(List.of(SPI_FLY));
      standard.launch(bundles);
      assertThat(ours.problems()).isEmpty();
      assertThat(standard.problems()).isEmpty();
      assertThat(found(standard)).isEqualTo(found(ours)).isNotEmpty();
    }
  }

  @Test
  void bundlesSayThatTheyLackAMediator() {
    List<Path> bundles = new BundleFolder(BUNDLES).jars();
    try (PluginHost host = new PluginHost(ApiManifest.read(), false)) {
      host.launch(bundles);
      assertThat(host.problems())
          .isNotEmpty()
          .allMatch(it -> it.contains("osgi.serviceloader.registrar"));
    }
  }
}
