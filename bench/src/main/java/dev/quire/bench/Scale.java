// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** Much memory and many domains, each in a process with 4 GiB of heap. */
@Command(
    name = "scale",
    mixinStandardHelpOptions = true,
    description = "1 TiB of sparse memory; 10,000 domains. Heap 4 GiB; peak and time are printed.")
final class Scale implements Callable<Integer> {
  private static final List<Class<?>> PARTS = List.of(SparseTouch.class, ManyDomains.class);

  private Scale() {}

  @Override
  public Integer call() throws IOException, InterruptedException {
    int failed = 0;
    for (Class<?> part : PARTS) {
      List<String> line = new ArrayList<>(Kernel.javaCommand("-Xmx4g", part));
      failed += new ProcessBuilder(line).inheritIO().start().waitFor() == 0 ? 0 : 1;
    }
    return failed == 0 ? 0 : 1;
  }
}
