// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.when;

import dev.quire.api.paging.PagingBackend;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;

class SlotTest {
  private static final String API = "dev.quire.api.paging,dev.quire.api.domain";

  @TempDir Path folder;
  private final PluginHost host = new PluginHost(ApiManifest.read());

  @AfterEach
  void stop() {
    host.close();
  }

  private Bundle start(String version) {
    Path jar =
        TestJar.backend("v" + version.replace('.', '_') + ".Mine", "mine")
            .bundle("third", version, API)
            .in(folder, version + ".jar");
    host.launch(List.of(jar));
    return host.context().getBundle(jar.toString());
  }

  private static String packageIn(Slot<PagingBackend> slot) {
    PagingBackend backend = slot.get();
    return backend == null ? "empty" : backend.getClass().getPackageName();
  }

  @Test
  void slotFollowsTheNewestVersionAndFallsBack() throws BundleException {
    try (Slot<PagingBackend> slot = host.slot(ServiceType.BACKEND, "mine")) {
      assertThat(packageIn(slot)).isEqualTo("empty");
      Bundle ten = start("1.10.0");
      assertThat(packageIn(slot)).isEqualTo("v1_10_0");
      Bundle nine = start("1.9.0");
      assertThat(packageIn(slot)).isEqualTo("v1_10_0");
      ten.uninstall();
      assertThat(packageIn(slot)).isEqualTo("v1_9_0");
      nine.stop();
      assertThat(packageIn(slot)).isEqualTo("empty");
      nine.start();
      assertThat(packageIn(slot)).isEqualTo("v1_9_0");
    }
  }

  @Test
  void slotSeesWhatWasThereBeforeIt() {
    start("1.0.0");
    try (Slot<PagingBackend> slot = host.slot(ServiceType.BACKEND, "mine")) {
      assertThat(packageIn(slot)).isEqualTo("v1_0_0");
    }
  }

  @Test
  void slotTakesOnlyItsName() {
    PagingBackend other = mock(PagingBackend.class);
    when(other.name()).thenReturn("other");
    var registration = host.context().registerService(PagingBackend.class, other, null);
    try (Slot<PagingBackend> slot = host.slot(ServiceType.BACKEND, "mine");
        Slot<PagingBackend> others = host.slot(ServiceType.BACKEND, "other")) {
      assertThat(slot.get()).isNull();
      assertThat(others.get()).isSameAs(other);
      registration.unregister();
      assertThat(others.get()).isNull();
    }
  }

  @Test
  void replacingSideBySideNeverEmptiesTheSlot() throws Exception {
    Bundle running = start("1.0.0");
    try (Slot<PagingBackend> slot = host.slot(ServiceType.BACKEND, "mine")) {
      AtomicLong empty = new AtomicLong();
      AtomicBoolean stop = new AtomicBoolean();
      Thread reader =
          new Thread(
              () -> {
                while (!stop.get()) {
                  if (slot.get() == null) {
                    empty.incrementAndGet();
                  }
                }
              });
      reader.start();
      for (int round = 1; round <= 5; round++) {
        Bundle next = start("1." + round + ".0");
        assertThat(packageIn(slot)).isEqualTo("v1_" + round + "_0");
        running.uninstall();
        running = next;
      }
      stop.set(true);
      reader.join();
      assertThat(empty).hasValue(0);
    }
  }
}
