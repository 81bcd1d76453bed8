// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import dev.quire.api.guest.InputException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/** The records of a file one by one: JSON Lines, compressed with zstd or gzip or not. */
final class RecordFile implements AutoCloseable {
  private static final int ZSTD_MAGIC = 0xfd2fb528;
  private static final int GZIP_MAGIC = 0x8b1f;

  private final Path file;
  private final JsonParser json;

  RecordFile(Path file) {
    this.file = file;
    try {
      json = new JsonFactory().createParser(ObjectReadContext.empty(), open(file));
    } catch (IOException | JacksonException e) {
      throw new InputException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static InputStream open(Path file) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new InputException(file + ": no such file");
    }
    InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
    in.mark(4);
    int magic = in.read() | in.read() << 8 | in.read() << 16 | in.read() << 24;
    in.reset();
    if (magic == ZSTD_MAGIC) {
      return new ZstdInputStreamNoFinalizer(in);
    }
    return (magic & 0xffff) == GZIP_MAGIC ? new GZIPInputStream(in, 1 << 16) : in;
  }

  /**
   * The next record, or null after the last one.
   *
   * @throws InputException naming file and line of what is damaged
   */
  @Nullable XenRecord next() {
    try {
      JsonToken token = json.nextToken();
      if (token == null) {
        return null;
      }
      String place = file + ": line " + json.currentTokenLocation().getLineNr();
      if (token != JsonToken.START_OBJECT) {
        throw new InputException(place + ": a record { ... } is wanted");
      }
      return new XenRecord(place, object());
    } catch (JacksonException e) {
      int line = json.currentLocation().getLineNr();
      throw new InputException(file + ": line " + line + ": " + e.getOriginalMessage(), e);
    }
  }

  private Map<String, @Nullable Object> object() {
    Map<String, @Nullable Object> fields = new HashMap<>();
    while (json.nextToken() == JsonToken.PROPERTY_NAME) {
      String name = json.currentName();
      json.nextToken();
      fields.put(name, value());
    }
    return fields;
  }

  private List<@Nullable Object> array() {
    List<@Nullable Object> values = new ArrayList<>();
    while (json.nextToken() != JsonToken.END_ARRAY) {
      values.add(value());
    }
    return values;
  }

  private @Nullable Object value() {
    return switch (json.currentToken()) {
      case START_OBJECT -> object();
      case START_ARRAY -> array();
      case VALUE_STRING -> json.getString();
      case VALUE_NUMBER_INT -> json.getLongValue();
      case VALUE_NUMBER_FLOAT -> json.getDoubleValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      default -> null;
    };
  }

  @Override
  public void close() {
    json.close();
  }
}
