// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** The files of streams in a directory, made anew when they are asked for. */
final class StreamFiles {
  private final Path directory;
  private final Map<String, Supplier<Stream>> makers = new LinkedHashMap<>();

  /**
   * Streams to be written to a directory.
   *
   * @param window the trace that {@code real} is made from
   */
  StreamFiles(Path directory, Path window) {
    this.directory = directory;
    makers.put("W1", SyntheticStreams::w1);
    makers.put("W2", SyntheticStreams::w2);
    makers.put("W3", SyntheticStreams::w3);
    makers.put("real", () -> WindowStream.read(window));
    makers.put("rights", SyntheticStreams::rights);
  }

  /** The files of streams by name; of all of them if no name is given. */
  List<Path> of(List<String> names) throws IOException {
    List<Path> files = new ArrayList<>();
    for (String name : names.isEmpty() ? List.copyOf(makers.keySet()) : names) {
      Supplier<Stream> maker = makers.get(name);
      if (maker == null) {
        throw new IllegalArgumentException(
            "there is no stream " + name + "; there are " + makers.keySet());
      }
      Path file = directory.resolve(name);
      maker.get().write(file);
      files.add(file);
    }
    return files;
  }
}
