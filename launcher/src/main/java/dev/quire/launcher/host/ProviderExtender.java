// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import dev.quire.api.guest.InputException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.ServiceRegistration;
import org.osgi.util.tracker.BundleTracker;

/**
 * Makes services of what started bundles declare under {@code META-INF/services}: the part of the
 * OSGi Service Loader Mediator (OSGi Compendium 133) that Quire needs, for bundles and for plain
 * jars. A provider that cannot be made is a problem to report; its neighbours are registered.
 */
final class ProviderExtender extends BundleTracker<List<ServiceRegistration<?>>> {
  private final Consumer<String> problems;

  /**
   * An extender; call {@link #open}.
   *
   * @param problems is given a sentence for every provider that cannot be made
   */
  ProviderExtender(BundleContext context, Consumer<String> problems) {
    super(context, Bundle.STARTING | Bundle.ACTIVE, null);
    this.problems = problems;
  }

  @Override
  public @Nullable List<ServiceRegistration<?>> addingBundle(
      Bundle bundle, @Nullable BundleEvent event) {
    if (bundle.getBundleId() == 0 || bundle.getBundleContext() == null) {
      return null;
    }
    List<ServiceRegistration<?>> registrations = new ArrayList<>();
    for (ServiceType<?> type : ServiceType.ALL) {
      URL declaration = bundle.getEntry("META-INF/services/" + type.type().getName());
      if (declaration != null) {
        register(bundle, type, declaration, registrations);
      }
    }
    return registrations; // also an empty list: null would mean "ask again at the next event"
  }

  private <T> void register(
      Bundle bundle, ServiceType<T> type, URL declaration, List<ServiceRegistration<?>> to) {
    for (String name : namesIn(declaration)) {
      try {
        T provider = make(bundle, type.type(), name);
        to.add(bundle.getBundleContext().registerService(type.type(), provider, null));
      } catch (InputException e) {
        problems.accept(bundle.getLocation() + ": class " + name + ": " + e.getMessage());
      }
    }
  }

  private static <T> T make(Bundle bundle, Class<T> type, String name) {
    try {
      Class<?> found = bundle.loadClass(name);
      if (!type.isAssignableFrom(found)) {
        throw new InputException(notA(type, found));
      }
      return type.cast(found.getConstructor().newInstance());
    } catch (ClassNotFoundException e) {
      throw new InputException("declared as a provider, and not in the jar", e);
    } catch (NoSuchMethodException e) {
      throw new InputException("has no public constructor without parameters", e);
    } catch (ReflectiveOperationException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      throw new InputException("cannot be constructed: " + cause, e);
    } catch (LinkageError e) {
      throw new InputException("does not link: " + e, e);
    }
  }

  private static String notA(Class<?> type, Class<?> found) {
    for (Class<?> at = found; at != null; at = at.getSuperclass()) {
      for (Class<?> implemented : at.getInterfaces()) {
        if (implemented.getName().equals(type.getName())) {
          return "implements another copy of "
              + type.getName()
              + ", one that is inside the plug-in";
        }
      }
    }
    return "does not implement " + type.getName();
  }

  private static List<String> namesIn(URL declaration) {
    try (BufferedReader in =
        new BufferedReader(
            new InputStreamReader(declaration.openStream(), StandardCharsets.UTF_8))) {
      return in.lines()
          .map(line -> line.replaceFirst("#.*", "").strip())
          .filter(line -> !line.isEmpty())
          .toList();
    } catch (IOException e) {
      throw new IllegalStateException("an installed bundle cannot be read: " + declaration, e);
    }
  }

  @Override
  public void removedBundle(
      Bundle bundle, @Nullable BundleEvent event, List<ServiceRegistration<?>> registrations) {
    // A stopping bundle's services are unregistered by the framework; here only this tracker
    // closes.
    if (bundle.getState() == Bundle.ACTIVE) {
      registrations.forEach(ServiceRegistration::unregister);
    }
  }
}
