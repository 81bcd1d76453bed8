// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** CPU time of all threads of this process. */
final class ProcessTime {
  private static final Path TASKS = Path.of("/proc/self/task");

  private ProcessTime() {}

  /**
   * Up to now. Unit: ns. Where the host keeps account of each thread's, in its grain; elsewhere in
   * the grain of the Java runtime, which may be a hundredth of a second.
   */
  static long nanos() throws IOException {
    if (!Files.isReadable(TASKS.resolveSibling("schedstat"))) {
      return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
          .getProcessCpuTime();
    }
    long nanos = 0;
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(TASKS)) {
      for (Path task : tasks) {
        nanos += nanos(task);
      }
    }
    return nanos;
  }

  private static long nanos(Path task) throws IOException {
    try {
      String line = Files.readString(task.resolve("schedstat"));
      return Long.parseLong(line.substring(0, line.indexOf(' ')));
    } catch (NoSuchFileException e) {
      return 0; // a thread that has just ended
    }
  }
}
