// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.guest;

import dev.quire.api.domain.Domain;
import dev.quire.api.paging.BackendUnavailableException;
import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/**
 * What a control domain can do to a guest while it runs, for workloads that disturb their own
 * domain on purpose. Called between two runs of a block, when every vCPU is at a safe point.
 */
@ProviderType
public interface Toolstack {
  /** Knows no backend. */
  Toolstack NONE =
      new Toolstack() {
        @Override
        public List<String> backends(Domain domain) {
          return List.of();
        }

        @Override
        public void swap(Domain domain, String backend) {
          throw new BackendUnavailableException("there is no backend " + backend);
        }
      };

  /** Names of the backends that are there now and could serve the domain, in a fixed order. */
  List<String> backends(Domain domain);

  /**
   * Gives the domain to another backend, at once.
   *
   * @param backend a name of {@link #backends}
   * @throws dev.quire.api.paging.BackendUnavailableException if it cannot serve the domain; the old
   *     backend goes on
   */
  void swap(Domain domain, String backend);
}
