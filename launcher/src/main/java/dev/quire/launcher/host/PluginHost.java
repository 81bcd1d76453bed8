// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import dev.quire.api.guest.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.stream.Stream;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.launch.Framework;
import org.osgi.framework.launch.FrameworkFactory;
import org.osgi.framework.wiring.BundleRevision;
import org.osgi.framework.wiring.FrameworkWiring;

/**
 * An OSGi framework inside this process. It shares one copy of the API with the launcher: the
 * system bundle exports it, so that a backend seen through a service is of the very type that the
 * launcher calls. Its cache is a temporary directory, so that hosts never meet and nothing outlives
 * one.
 */
public final class PluginHost implements AutoCloseable {
  /** What bnd makes every {@code @ServiceProvider} require: somebody who registers providers. */
  private static final String REGISTRAR =
      "osgi.extender;osgi.extender=\"osgi.serviceloader.registrar\";version:Version=\"1.0.0\"";

  private static final System.Logger LOG = System.getLogger(PluginHost.class.getName());

  private static final long STOP_TIMEOUT_MS = 10_000;

  /** For a process that is interrupted: what {@link #close} would have done with the directory. */
  private final Thread cleaner = new Thread(this::cleanInterrupted, "quire-cleaner");

  private final Path cache;
  private final Framework framework;
  private final List<ProviderExtender> extenders = new ArrayList<>();
  private final List<String> problems = new ArrayList<>();

  /** A host with Quire's own mediator between ServiceLoader and services. */
  public PluginHost(ApiManifest api) {
    this(api, true);
  }

  /**
   * A host.
   *
   * @param mediates whether providers are registered by Quire's extender; otherwise a bundle must
   *     do it
   */
  PluginHost(ApiManifest api, boolean mediates) {
    try {
      cache = Files.createTempDirectory("quire-bundles-");
    } catch (IOException e) {
      throw new UncheckedIOException("no temporary directory for the bundles", e);
    }
    Runtime.getRuntime().addShutdownHook(cleaner);
    framework = framework(settings(api, mediates));
    try {
      framework.init(); // from here on there is a context for slots, before any bundle starts
      framework.start();
    } catch (BundleException e) {
      throw new IllegalStateException("the OSGi framework does not start", e);
    }
    if (mediates) {
      ProviderExtender extender = new ProviderExtender(context(), problems::add);
      extender.open();
      extenders.add(extender);
    }
  }

  private static Framework framework(Map<String, String> settings) {
    return ServiceLoader.load(FrameworkFactory.class, PluginHost.class.getClassLoader())
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("no OSGi framework on the class path"))
        .newFramework(settings);
  }

  private Map<String, String> settings(ApiManifest api, boolean mediates) {
    Map<String, String> settings = new HashMap<>();
    settings.put(Constants.FRAMEWORK_STORAGE, cache.toString());
    settings.put(Constants.FRAMEWORK_SYSTEMPACKAGES_EXTRA, api.exports());
    // The JVM-wide URL factories belong to nobody's framework.
    settings.put("felix.service.urlhandlers", "false");
    if (mediates) {
      settings.put(Constants.FRAMEWORK_SYSTEMCAPABILITIES_EXTRA, REGISTRAR);
    }
    return settings;
  }

  BundleContext context() {
    return framework.getBundleContext();
  }

  /** The directory that the framework keeps its copies in. */
  Path cache() {
    return cache;
  }

  /**
   * Installs jars, wires them and starts them. What is wrong with one is noted in {@link #problems}
   * and does not stop the others, so that all that is wrong is told at once.
   */
  public void launch(List<Path> jars) {
    List<Bundle> installed = new ArrayList<>();
    for (Path jar : jars) {
      try (InputStream content = new PluginJar(jar).content(apiImports())) {
        installed.add(context().installBundle(jar.toString(), content));
      } catch (InputException e) {
        problems.add(e.getMessage());
      } catch (BundleException e) {
        problems.add(jar + ": cannot be installed: " + e.getMessage());
      } catch (IOException e) {
        throw new UncheckedIOException("cannot read " + jar, e);
      }
    }
    framework.adapt(FrameworkWiring.class).resolveBundles(installed);
    installed.forEach(this::start);
  }

  private void start(Bundle bundle) {
    if (bundle.getState() < Bundle.RESOLVED) {
      problems.add(new Resolution(framework).explain(bundle));
      return;
    }
    BundleRevision revision = bundle.adapt(BundleRevision.class);
    if ((revision.getTypes() & BundleRevision.TYPE_FRAGMENT) != 0) {
      return; // takes part by being resolved
    }
    try {
      bundle.start();
    } catch (BundleException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      problems.add(bundle.getLocation() + ": does not start: " + cause);
    }
  }

  /** The API's packages as a plain jar imports them: the versions are those that there are. */
  private String apiImports() {
    return String.join(",", new Resolution(framework).apiPackages());
  }

  /** What was wrong with jars so far, a sentence each. */
  public List<String> problems() {
    return List.copyOf(problems);
  }

  /** A slot for the provider of a name. */
  public <T> Slot<T> slot(ServiceType<T> type, String name) {
    return new Slot<>(context(), type, name);
  }

  /** All providers of a type that are there now, by name and then newest first. */
  public <T> List<Provider<T>> providers(ServiceType<T> type) {
    List<Provider<T>> found = new ArrayList<>();
    try {
      for (ServiceReference<T> it : context().getServiceReferences(type.type(), null)) {
        T service = context().getService(it);
        Bundle bundle = it.getBundle();
        if (service != null && bundle != null) {
          found.add(
              new Provider<>(
                  service,
                  type.name().apply(service),
                  bundle.getSymbolicName(),
                  bundle.getVersion(),
                  bundle.getLocation()));
        }
      }
    } catch (org.osgi.framework.InvalidSyntaxException e) {
      throw new IllegalStateException("no filter was given", e);
    }
    found.sort(
        Comparator.comparing((Provider<T> it) -> it.name())
            .thenComparing((one, other) -> other.version().compareTo(one.version())));
    return found;
  }

  private void cleanInterrupted() {
    try {
      deleteCache();
    } catch (UncheckedIOException e) {
      LOG.log(System.Logger.Level.DEBUG, "something is left in " + cache, e);
    }
  }

  @Override
  public void close() {
    if (!interrupted()) {
      shutDown();
    }
  }

  /** Whether the process is on its way out, and its cleaner at work. */
  private boolean interrupted() {
    try {
      Runtime.getRuntime().removeShutdownHook(cleaner);
      return false;
    } catch (IllegalStateException e) {
      return true;
    }
  }

  private void shutDown() {
    extenders.forEach(ProviderExtender::close);
    try {
      framework.stop();
      framework.waitForStop(STOP_TIMEOUT_MS);
      deleteCache();
    } catch (BundleException e) {
      throw new IllegalStateException("the OSGi framework does not stop", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void deleteCache() {
    try (Stream<Path> files = Files.walk(cache)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot delete " + cache, e);
    }
  }
}
