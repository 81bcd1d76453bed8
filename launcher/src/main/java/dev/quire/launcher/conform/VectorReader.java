// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.guest.InputException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/** Reads the vectors of a file one by one: JSON Lines, compressed with gzip or not. */
final class VectorReader implements AutoCloseable {
  private static final int GZIP_MAGIC = 0x8b1f;

  private final Path file;
  private final JsonParser json;

  VectorReader(Path file) {
    this.file = file;
    try {
      json = new JsonFactory().createParser(ObjectReadContext.empty(), open(file));
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static InputStream open(Path file) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new InputException(file + ": no such file");
    }
    InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
    in.mark(2);
    int magic = in.read() | in.read() << 8;
    in.reset();
    return magic == GZIP_MAGIC ? new GZIPInputStream(in, 1 << 16) : in;
  }

  /**
   * The next vector, or null after the last one.
   *
   * @throws InputException naming file and line of what is damaged
   */
  @Nullable WalkVector next() {
    try {
      JsonToken token = json.nextToken();
      if (token == null) {
        return null;
      }
      if (token != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("a vector { ... } is wanted");
      }
      return new VectorParser(json).parse();
    } catch (JacksonException e) {
      throw damaged(e.getOriginalMessage(), e);
    } catch (IllegalArgumentException e) {
      throw damaged(String.valueOf(e.getMessage()), e);
    }
  }

  private InputException damaged(String why, RuntimeException e) {
    return new InputException(file + ":" + json.currentLocation().getLineNr() + ": " + why, e);
  }

  @Override
  public void close() {
    json.close();
  }
}
