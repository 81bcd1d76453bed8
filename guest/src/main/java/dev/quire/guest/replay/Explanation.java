// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.guest.InputException;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.Operation;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Vector;
import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceReader;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One walk of a recording: the one of a record, or of any address at that point. */
final class Explanation {
  private static final long KERNEL_READ = Access.of(0, false, true);

  private final ReplayOptions options;
  private final TraceReader reader;
  private final Replay replay;

  Explanation(ReplayOptions options, TraceReader reader, Replay replay) {
    this.options = options;
    this.reader = reader;
    this.replay = replay;
  }

  /** The number of the record that is asked for. */
  static long record(ReplayOptions options) {
    if (options.at().isPresent()) {
      return options.at().getAsLong();
    }
    return nearest(options, options.instruction().orElseThrow());
  }

  /** The record with an address that is nearest to an instruction count. */
  private static long nearest(ReplayOptions options, long wanted) {
    long best = -1;
    long distance = Long.MAX_VALUE;
    try (TraceReader reader = TraceReader.open(options.trace())) {
      for (int tag = reader.next(); tag != Tag.END; tag = reader.next()) {
        long away = Math.abs(reader.instructions() - wanted);
        if ((tag == Tag.FILL || tag == Tag.FAULT || tag == Tag.ACCESS) && away < distance) {
          best = reader.record();
          distance = away;
        }
        if (reader.instructions() > wanted && reader.instructions() - wanted > distance) {
          break;
        }
      }
    }
    if (best < 0) {
      throw new InputException(options.trace() + ": no record has an address");
    }
    return best;
  }

  /** Explains the record that is next in the recording; everything before it has been read. */
  WorkloadReport report(long record) {
    if (replay.isOver()) {
      throw new InputException(
          options.trace() + ": there is no record " + record + ", the last is " + reader.record());
    }
    replay.finish();
    int tag = reader.next();
    @Gva long linear = linear(tag);
    long access = access(tag);
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("record", reader.record());
    facts.put("instructions", reader.instructions());
    facts.put("kind of record", Tag.name(tag));
    facts.put("access", String.format("%s at 0x%x", Access.describe(access), linear));
    if (options.linear().isEmpty()) {
      facts.put("recorded", recorded(tag));
    }
    facts.put("differences before", replay.log().count());
    List<String> walk = Differences.walk(replay.cpu().vcpu(), linear, access);
    return new WorkloadReport(0, walk, facts, false);
  }

  private @Gva long linear(int tag) {
    if (options.linear().isPresent()) {
      return Addresses.gva(options.linear().getAsLong());
    }
    if (tag == Tag.PTSTORE && !reader.storedByWalker() && !reader.storedByDevice()) {
      long found = replay.router().find(reader.physical());
      if (found != TableSearch.NOT_FOUND) {
        return Addresses.gva(found);
      }
    }
    return switch (tag) {
      case Tag.FILL, Tag.FAULT, Tag.INVLPG, Tag.INVPCID -> reader.linear();
      case Tag.ACCESS -> Operation.linear(reader.operation());
      default ->
          throw new InputException(
              String.format(
                  "%s: record %d is %s and has no linear address: give one with va",
                  options.trace(), reader.record(), Tag.name(tag)));
    };
  }

  private long access(int tag) {
    return switch (tag) {
      case Tag.FILL, Tag.FAULT -> reader.access();
      case Tag.ACCESS -> reader.operation() & Access.MASK;
      case Tag.PTSTORE -> KERNEL_READ | Access.WRITE;
      default -> KERNEL_READ;
    };
  }

  private String recorded(int tag) {
    return switch (tag) {
      case Tag.FILL, Tag.ACCESS, Tag.PTSTORE -> String.format("0x%x", reader.physical());
      case Tag.FAULT -> Differences.fault(Vector.PF, (int) reader.value());
      default -> "nothing";
    };
  }
}
