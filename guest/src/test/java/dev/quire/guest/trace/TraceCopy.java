// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import java.nio.file.Path;

/** Writes a base file again, with some records left out: what a wrong recording looks like. */
public final class TraceCopy {
  /** Says which records are kept. */
  @FunctionalInterface
  public interface Filter {
    boolean keeps(int tag, TraceReader reader);
  }

  private TraceCopy() {}

  /** Copies the first records of a base file, and ends there. */
  public static void base(Path from, Path to, long records, Filter filter) {
    try (TraceReader reader = TraceReader.open(from)) {
      TraceWriter writer = TraceWriter.base(reader.header().ramBytes());
      while (reader.record() + 1 < records) {
        int tag = reader.next();
        if (tag == Tag.END) {
          break;
        }
        if (filter.keeps(tag, reader)) {
          copy(tag, reader, writer);
        }
      }
      writer.end().compressTo(to);
    }
  }

  private static void copy(int tag, TraceReader reader, TraceWriter writer) {
    switch (tag) {
      case Tag.TICK -> writer.tick(reader.value());
      case Tag.INVLPG -> writer.number(tag, reader.linear());
      case Tag.INVPCID -> writer.invpcid(reader.kind(), reader.value(), reader.linear());
      case Tag.PTPAGE -> writer.ptpage(reader.frame(), reader.kind(), reader.page());
      case Tag.PTSTORE -> store(reader, writer);
      case Tag.FILL -> writer.fill(reader.flags(), reader.linear(), reader.physical());
      case Tag.FAULT -> writer.fault(reader.flags(), reader.value(), reader.linear(), reader.rip());
      case Tag.HLT -> writer.u8(tag);
      case Tag.MARK -> writer.u8(tag).u8((int) reader.value());
      case Tag.PDPTE ->
          writer.pdpte(reader.pdpte(0), reader.pdpte(1), reader.pdpte(2), reader.pdpte(3));
      default -> writer.number(tag, reader.value());
    }
  }

  private static void store(TraceReader reader, TraceWriter writer) {
    int who = (reader.storedByWalker() ? 8 : 0) | (reader.storedByDevice() ? 0x10 : 0);
    writer.ptstore(
        who, reader.physical(), reader.storeBytes(), reader.value(), reader.storeCount());
  }
}
