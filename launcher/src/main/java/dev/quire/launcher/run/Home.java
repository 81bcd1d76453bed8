// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import dev.quire.api.guest.InputException;
import dev.quire.launcher.config.Setting;
import dev.quire.launcher.host.BundleFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The distribution that runs.
 *
 * @param folder it is in
 */
public record Home(Path folder) {
  /** The system property that the start script sets. */
  public static final String PROPERTY = "quire.home";

  /** The distribution that was started. */
  public static Home fromProperty() {
    String folder = System.getProperty(PROPERTY);
    if (folder == null) {
      throw new InputException(
          "the system property " + PROPERTY + " is not set: start Quire by its script");
    }
    return new Home(Path.of(folder));
  }

  /** The bundles that a configuration asks for, and every plug-in that was dropped in. */
  List<Path> jars(Optional<List<Setting<String>>> wanted) {
    Map<String, Path> bundles = bundles();
    List<Path> jars = new ArrayList<>();
    if (wanted.isEmpty()) {
      jars.addAll(bundles.values());
    } else {
      for (Setting<String> name : wanted.get()) {
        Path jar = bundles.get(name.value());
        if (jar == null) {
          throw name.bad(
              "no bundle \""
                  + name.value()
                  + "\" in "
                  + folder.resolve("bundles")
                  + "; there are: "
                  + String.join(", ", bundles.keySet()));
        }
        jars.add(jar);
      }
    }
    jars.addAll(new BundleFolder(plugins()).jars());
    return jars;
  }

  /** The distribution's bundles, by symbolic name. */
  public Map<String, Path> bundles() {
    return new BundleFolder(folder.resolve("bundles")).bundles();
  }

  /** Where drop-in plug-ins are. */
  public Path plugins() {
    return folder.resolve("plugins");
  }
}
