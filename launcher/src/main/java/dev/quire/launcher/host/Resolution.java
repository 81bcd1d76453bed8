// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.osgi.framework.Bundle;
import org.osgi.framework.launch.Framework;
import org.osgi.framework.namespace.PackageNamespace;
import org.osgi.framework.wiring.BundleCapability;
import org.osgi.framework.wiring.BundleRequirement;
import org.osgi.framework.wiring.BundleRevision;

/** Says why a bundle does not resolve, in terms of what it asks for and what there is. */
final class Resolution {
  private static final Pattern PACKAGE = Pattern.compile("osgi\\.wiring\\.package=([^)]+)\\)");
  private static final Pattern LEAST = Pattern.compile("(?<!!)\\(version>=([^)]+)\\)");
  private static final Pattern BELOW = Pattern.compile("!\\(version>=([^)]+)\\)");

  private final Framework framework;

  Resolution(Framework framework) {
    this.framework = framework;
  }

  /** The names of the API's packages, as the system bundle exports them. */
  List<String> apiPackages() {
    return capabilities(framework)
        .filter(it -> it.getNamespace().equals(PackageNamespace.PACKAGE_NAMESPACE))
        .map(Resolution::packageOf)
        .filter(name -> name.startsWith(ApiManifest.ROOT))
        .toList();
  }

  /** One sentence about an installed bundle that could not be resolved. */
  String explain(Bundle bundle) {
    BundleRevision revision = bundle.adapt(BundleRevision.class);
    String missing =
        revision.getDeclaredRequirements(null).stream()
            .filter(it -> !"optional".equals(it.getDirectives().get("resolution")))
            .filter(it -> !isOffered(it))
            .map(this::describe)
            .collect(Collectors.joining("; "));
    String reason =
        missing.isEmpty() ? "what it needs does not resolve either" : "needs " + missing;
    return bundle.getLocation()
        + ": bundle "
        + bundle.getSymbolicName()
        + " does not resolve: "
        + reason;
  }

  private boolean isOffered(BundleRequirement requirement) {
    return bundles().flatMap(Resolution::capabilities).anyMatch(requirement::matches);
  }

  private String describe(BundleRequirement requirement) {
    String filter = requirement.getDirectives().getOrDefault("filter", "");
    Matcher name = PACKAGE.matcher(filter);
    if (!name.find()) {
      return requirement.getNamespace() + " " + filter;
    }
    String offered =
        bundles()
            .flatMap(Resolution::capabilities)
            .filter(it -> packageOf(it).equals(name.group(1)))
            .map(it -> "there is " + it.getAttributes().get("version"))
            .distinct()
            .collect(Collectors.joining(", "));
    return "package "
        + name.group(1)
        + range(filter)
        + ", and "
        + (offered.isEmpty() ? "there is none" : offered);
  }

  private static String range(String filter) {
    Matcher least = LEAST.matcher(filter);
    Matcher below = BELOW.matcher(filter);
    return (least.find() ? " of version " + least.group(1) + " or later" : "")
        + (below.find() ? " but below " + below.group(1) : "");
  }

  private Stream<Bundle> bundles() {
    return Stream.of(framework.getBundleContext().getBundles());
  }

  private static Stream<BundleCapability> capabilities(Bundle bundle) {
    BundleRevision revision = bundle.adapt(BundleRevision.class);
    return revision == null ? Stream.empty() : revision.getDeclaredCapabilities(null).stream();
  }

  private static String packageOf(BundleCapability capability) {
    return Objects.toString(capability.getAttributes().get(PackageNamespace.PACKAGE_NAMESPACE), "");
  }
}
