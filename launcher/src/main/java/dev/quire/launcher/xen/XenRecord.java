// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import dev.quire.api.guest.InputException;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One record of a file: a JSON object. Numbers are integers; values in hexadecimal are text.
 *
 * @param place file and line, for messages
 * @param fields by name; values are Long, String, Boolean, List, Map or null
 */
record XenRecord(String place, Map<String, @Nullable Object> fields) {
  boolean has(String field) {
    return fields.get(field) != null;
  }

  String text(String field) {
    if (fields.get(field) instanceof String text) {
      return text;
    }
    throw bad(field, "text is wanted");
  }

  /** Text that may be absent. */
  String text(String field, String otherwise) {
    return has(field) ? text(field) : otherwise;
  }

  long number(String field) {
    if (fields.get(field) instanceof Long number) {
      return number;
    }
    throw bad(field, "a number is wanted");
  }

  long number(String field, long otherwise) {
    return has(field) ? number(field) : otherwise;
  }

  boolean flag(String field) {
    return Boolean.TRUE.equals(fields.get(field));
  }

  /** A quadword in hexadecimal. */
  long hex(String field) {
    String text = text(field);
    try {
      return Long.parseUnsignedLong(text, 16);
    } catch (NumberFormatException e) {
      throw bad(field, "\"" + text + "\" is no hexadecimal number");
    }
  }

  List<?> list(String field) {
    if (fields.get(field) instanceof List<?> list) {
      return list;
    }
    throw bad(field, "an array is wanted");
  }

  /** An object within the record, as a record of its own. */
  XenRecord object(String field) {
    if (fields.get(field) instanceof Map<?, ?> map) {
      return of(map);
    }
    throw bad(field, "an object is wanted");
  }

  /** The objects of an array. */
  List<XenRecord> objects(String field) {
    return list(field).stream()
        .map(
            it -> {
              if (it instanceof Map<?, ?> map) {
                return of(map);
              }
              throw bad(field, "objects are wanted");
            })
        .toList();
  }

  @SuppressWarnings("unchecked") // RecordFile makes no other maps
  private XenRecord of(Map<?, ?> map) {
    return new XenRecord(place, (Map<String, @Nullable Object>) map);
  }

  InputException bad(String field, String why) {
    return new InputException(place + ": field " + field + ": " + why);
  }
}
