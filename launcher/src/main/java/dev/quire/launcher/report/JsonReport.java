// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import dev.quire.api.guest.InputException;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.launcher.host.ApiManifest;
import dev.quire.launcher.run.DomainFigures;
import dev.quire.launcher.run.Outcome;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonEncoding;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * The report of one run for programs; {@code docs/report.md} describes the schema. Nothing in it
 * depends on time or on the host, so that runs which should be equal can be compared byte by byte.
 */
public final class JsonReport {
  /** Name and version of the schema; a new number means that a reader must be changed. */
  static final String SCHEMA = "quire-report/1";

  private final JsonGenerator json;

  private JsonReport(JsonGenerator json) {
    this.json = json;
  }

  /** Refuses a file that cannot be written, before a long run. */
  public static void checkTarget(@Nullable Path file) {
    if (file != null && (Files.isDirectory(file) || !Files.isDirectory(folderOf(file)))) {
      throw new InputException(file + ": cannot be written: not a file in an existing folder");
    }
  }

  /**
   * Writes the report, or nothing: a report half written is never under its name.
   *
   * @param file null for no report
   */
  public static void write(@Nullable Path file, Outcome outcome) {
    if (file == null) {
      return;
    }
    try {
      Path draft = Files.createTempFile(folderOf(file), ".quire-report", ".json");
      try (OutputStream out = Files.newOutputStream(draft)) {
        write(out, outcome);
      }
      Files.move(draft, file, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new InputException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private static Path folderOf(Path file) {
    return Objects.requireNonNull(file.toAbsolutePath().getParent());
  }

  static void write(OutputStream out, Outcome outcome) {
    JsonFactory factory = new JsonFactory();
    ObjectWriteContext pretty = new Indented();
    try (JsonGenerator generator = factory.createGenerator(pretty, out, JsonEncoding.UTF8)) {
      new JsonReport(generator).report(outcome);
      generator.writeRaw('\n');
    }
    try {
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void report(Outcome outcome) {
    json.writeStartObject();
    json.writeStringProperty("schema", SCHEMA);
    json.writeStringProperty("quire", ApiManifest.read().version());
    machine(outcome);
    paging(outcome);
    domain(outcome.domain());
    workload(outcome);
    result(outcome);
    json.writeObjectPropertyStart("counters");
    counters("total", outcome.total());
    json.writeArrayPropertyStart("cpus");
    for (Counters cpu : outcome.cpus()) {
      json.writeStartObject();
      events(cpu);
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
    json.writeEndObject();
  }

  private void machine(Outcome outcome) {
    MachineSpec machine = outcome.machine();
    json.writeObjectPropertyStart("machine");
    json.writeStringProperty("vendor", lower(machine.profile().vendor()));
    json.writeNumberProperty("maxphyaddr", machine.profile().physicalBits());
    json.writeArrayPropertyStart("features");
    machine.profile().features().stream().sorted().forEach(it -> json.writeString(lower(it)));
    json.writeEndArray();
    json.writeNumberProperty("cpus", machine.cpus());
    json.writeNumberProperty("seed", machine.seed());
    json.writeArrayPropertyStart("ram");
    for (MachineSpec.Ram range : machine.ram()) {
      json.writeStartObject();
      json.writeNumberProperty("start", range.start());
      json.writeNumberProperty("size", range.length());
      json.writeEndObject();
    }
    json.writeEndArray();
    tlb(outcome.tlb(), machine.tlb());
    json.writeEndObject();
  }

  private void tlb(String name, @Nullable TlbGeometry tlb) {
    json.writeObjectPropertyStart("tlb");
    json.writeStringProperty("name", name);
    if (tlb != null) {
      json.writeStringProperty("replacement", lower(tlb.replacement()));
      tlbs("data", tlb.data());
      tlbs("instructions", tlb.instructions());
      tlbs("second", tlb.second());
      structures("structures", tlb.structures());
      tlbs("nested", tlb.nested().tlbs());
      structures("nested-structures", tlb.nested().structures());
    }
    json.writeEndObject();
  }

  private void tlbs(String key, List<TlbGeometry.Tlb> tlbs) {
    json.writeArrayPropertyStart(key);
    for (TlbGeometry.Tlb tlb : tlbs) {
      json.writeStartObject();
      json.writeArrayPropertyStart("sizes");
      for (int size = 0; size < TlbGeometry.SIZES; size++) {
        if (tlb.holds(size)) {
          json.writeString(CounterGroups.SIZES.get(size));
        }
      }
      json.writeEndArray();
      shape(tlb.array());
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private void structures(String key, List<TlbGeometry.Array> arrays) {
    json.writeArrayPropertyStart(key);
    arrays.forEach(this::array);
    json.writeEndArray();
  }

  private void array(TlbGeometry.Array array) {
    json.writeStartObject();
    shape(array);
    json.writeEndObject();
  }

  private void shape(TlbGeometry.Array array) {
    json.writeNumberProperty("sets", array.sets());
    json.writeNumberProperty("ways", array.ways());
  }

  private void paging(Outcome outcome) {
    json.writeObjectPropertyStart("paging");
    json.writeStringProperty("backend", outcome.backend().name());
    json.writeStringProperty("bundle", outcome.backend().bundle());
    json.writeStringProperty("version", outcome.backend().version().toString());
    String backend = outcome.backend().name();
    statistics("statistics", outcome.domain().statistics(backend));
    json.writeObjectPropertyStart("before");
    outcome
        .domain()
        .backends()
        .forEach(
            (name, counts) -> {
              if (!name.equals(backend)) {
                statistics(name, counts);
              }
            });
    json.writeEndObject();
    json.writeEndObject();
  }

  private void statistics(String key, Map<String, Long> counts) {
    json.writeObjectPropertyStart(key);
    counts.forEach(json::writeNumberProperty);
    json.writeEndObject();
  }

  private void domain(DomainFigures domain) {
    json.writeObjectPropertyStart("domain");
    json.writeStringProperty("placement", lower(domain.spec().placement()));
    json.writeNumberProperty("frames", domain.spec().frames());
    json.writeNumberProperty("largest-order", domain.spec().largestOrder());
    json.writeObjectPropertyStart("exits");
    domain.exits().forEach((reason, count) -> json.writeNumberProperty(lower(reason), count));
    json.writeEndObject();
    DomainFigures.Tables tables = domain.tables();
    if (tables == null) {
      json.writeNullProperty("p2m");
    } else {
      json.writeObjectPropertyStart("p2m");
      json.writeStringProperty("format", lower(tables.format()));
      json.writeNumberProperty("levels", tables.levels());
      json.writeNumberProperty("table-pages", tables.frames());
      json.writeNumberProperty("pool-used", tables.poolUsed());
      json.writeNumberProperty("pool-total", tables.poolTotal());
      json.writeEndObject();
    }
    json.writeEndObject();
  }

  private void workload(Outcome outcome) {
    json.writeObjectPropertyStart("workload");
    json.writeStringProperty("kind", outcome.workload());
    json.writeObjectPropertyStart("options");
    outcome.options().forEach(json::writeStringProperty);
    json.writeEndObject();
    json.writeObjectPropertyStart("facts");
    for (Map.Entry<String, Object> fact : outcome.report().facts().entrySet()) {
      fact(fact.getKey().strip(), fact.getValue()); // indented for people
    }
    json.writeEndObject();
    json.writeEndObject();
  }

  private void fact(String name, Object value) {
    if (value instanceof Long || value instanceof Integer) {
      json.writeNumberProperty(name, ((Number) value).longValue());
    } else if (value instanceof Double number) {
      json.writeNumberProperty(name, number);
    } else {
      json.writeStringProperty(name, value.toString());
    }
  }

  private void result(Outcome outcome) {
    json.writeObjectPropertyStart("result");
    json.writeNumberProperty("differences", outcome.report().differences());
    json.writeArrayPropertyStart("explanations");
    outcome.report().explanations().forEach(json::writeString);
    json.writeEndArray();
    if (outcome.crash() == null) {
      json.writeNullProperty("crash");
    } else {
      json.writeStringProperty("crash", outcome.crash());
    }
    json.writeBooleanProperty("rates-meaningful", outcome.report().ratesMeaningful());
    json.writeEndObject();
  }

  private void counters(String key, Counters counters) {
    json.writeObjectPropertyStart(key);
    events(counters);
    json.writeEndObject();
  }

  private void events(Counters counters) {
    for (HwEvent event : HwEvent.values()) {
      json.writeNumberProperty(event.title(), counters.get(event));
    }
    json.writeArrayPropertyStart("references");
    for (int guest = 0; guest < Counters.LEVELS; guest++) {
      json.writeStartArray();
      for (int nested = 0; nested < Counters.LEVELS; nested++) {
        json.writeNumber(counters.references(guest, nested));
      }
      json.writeEndArray();
    }
    json.writeEndArray();
  }

  private static String lower(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Two spaces a level and a line feed on every platform. */
  private static final class Indented extends ObjectWriteContext.Base {
    @Override
    public tools.jackson.core.PrettyPrinter getPrettyPrinter() {
      return new tools.jackson.core.util.DefaultPrettyPrinter()
          .withObjectIndenter(new tools.jackson.core.util.DefaultIndenter("  ", "\n"))
          .withArrayIndenter(new tools.jackson.core.util.DefaultIndenter("  ", "\n"));
    }
  }
}
