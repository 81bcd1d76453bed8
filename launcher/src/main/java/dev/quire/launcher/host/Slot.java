// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.Version;
import org.osgi.util.tracker.ServiceTracker;
import org.osgi.util.tracker.ServiceTrackerCustomizer;

/**
 * The provider of one type and name that is in use, followed as bundles come and go. Callers hold a
 * slot and never a provider; they read it once for each piece of work, since reading it is a plain
 * volatile load and what it answers may change between two of them.
 *
 * <p>Of several providers the one from the newest bundle is taken, so that a new version can be
 * started beside an old one before that is uninstalled, and the slot is never empty on the way.
 */
public final class Slot<T> implements AutoCloseable {
  /**
   * A provider and the version of its bundle, kept because an unregistered service has no bundle.
   */
  private record Candidate<T>(T provider, Version version, ServiceReference<T> reference) {}

  private final Map<ServiceReference<T>, Candidate<T>> candidates = new HashMap<>();
  private final ServiceTracker<T, T> tracker;
  private volatile @Nullable T current;

  /**
   * Starts to follow.
   *
   * @param context of the system bundle
   * @param name which provider; empty for types that have no names
   */
  Slot(BundleContext context, ServiceType<T> type, String name) {
    tracker = new ServiceTracker<>(context, type.type(), new Follower(context, type, name));
    tracker.open();
  }

  /** The provider to use now, or null while there is none. */
  public @Nullable T get() {
    return current;
  }

  @Override
  public void close() {
    tracker.close();
  }

  private synchronized void add(ServiceReference<T> reference, T provider) {
    Version version = reference.getBundle().getVersion();
    candidates.put(reference, new Candidate<>(provider, version, reference));
    choose();
  }

  private synchronized void remove(ServiceReference<T> reference) {
    candidates.remove(reference);
    choose();
  }

  private void choose() {
    current =
        candidates.values().stream()
            .max(
                Comparator.<Candidate<T>, Version>comparing(Candidate::version)
                    .thenComparing(Candidate::reference))
            .map(Candidate::provider)
            .orElse(null);
  }

  private final class Follower implements ServiceTrackerCustomizer<T, T> {
    private final BundleContext context;
    private final ServiceType<T> type;
    private final String name;

    Follower(BundleContext context, ServiceType<T> type, String name) {
      this.context = context;
      this.type = type;
      this.name = name;
    }

    @Override
    public @Nullable T addingService(ServiceReference<T> reference) {
      T provider = context.getService(reference);
      if (provider == null || !type.name().apply(provider).equals(name)) {
        context.ungetService(reference);
        return null;
      }
      add(reference, provider);
      return provider;
    }

    @Override
    public void modifiedService(ServiceReference<T> reference, T provider) {
      // Which provider it is does not depend on properties that can change.
    }

    @Override
    public void removedService(ServiceReference<T> reference, T provider) {
      remove(reference);
      context.ungetService(reference);
    }
  }
}
