// SPDX-License-Identifier: Apache-2.0
package dev.quire.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;

/** Hypercalls of any bytes: the host stands them, every count is right, every call ends. */
class HypercallFuzzTest {
  @FuzzTest
  void whateverAGuestAsksForTheHostStandsIt(FuzzedDataProvider bytes) {
    FuzzedDomains domains = new FuzzedDomains(bytes);
    while (bytes.remainingBytes() > 0 && domains.live()) {
      domains.act();
    }
    domains.end();
  }
}
