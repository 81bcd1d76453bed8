// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.guest.InputException;
import dev.quire.api.x86.Access;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Reads an X86PTRC1 file record by record, without allocating, through a buffer of fixed size.
 *
 * <p>{@link #accesses} takes a run of ACCESS records at once; {@link #next} reads one record of any
 * kind and answers its tag. The other methods give the fields of the record that {@code next} read;
 * each says after which tags it holds, after others it answers something left over. Whatever is
 * wrong with a file ends in an {@link InputException} that names the file and the byte. For use by
 * one thread.
 */
public final class TraceReader implements AutoCloseable {
  private static final long FRAMES = 1L << 40;
  private static final int PAGE_LONGS = 512;
  private static final int TOP_LEVEL = 5;

  private final TraceInput input;
  private final AccessDecoder decoder;
  private final TraceHeader header;
  private final long[] page = new long[PAGE_LONGS];
  private final long[] pdptes = new long[4];
  private final long[] operation = new long[1];
  private final long[] expected = new long[1];

  private long record = -1;
  private long recordOffset = TraceHeader.BYTES;
  private long instructions;
  private boolean ended;

  private int flags;
  private long value;
  private long linear;
  private long physical;
  private long rip;
  private long storeCount;
  private long lastStore;
  private long lastFillLinear;
  private long lastFillFrame;

  private TraceReader(TraceInput input) {
    this.input = input;
    decoder = new AccessDecoder(input);
    header = TraceHeader.read(input);
    instructions = header.startInstruction();
  }

  /**
   * Opens a trace and reads its header.
   *
   * @throws InputException if the file cannot be read or is no X86PTRC1 trace of version 1
   */
  public static TraceReader open(Path file) {
    TraceInput input = new TraceInput(file);
    try {
      return new TraceReader(input);
    } catch (InputException e) {
      input.close();
      throw e;
    }
  }

  /** What stands before the first record. */
  public TraceHeader header() {
    return header;
  }

  /** How much of the file has been taken so far, for showing progress. Unit: compressed bytes. */
  public long bytesRead() {
    return input.compressedBytesRead();
  }

  /** How large the file is. Unit: compressed bytes. */
  public long bytes() {
    return input.compressedBytes();
  }

  /** Number of the record last read, counted from 0; -1 before the first. */
  public long record() {
    return record;
  }

  /** Instructions executed up to the record last read, to the recording's grain of 2048. */
  public long instructions() {
    return instructions;
  }

  /**
   * Reads ACCESS records as long as they follow each other.
   *
   * @param operations receives what was done: probes, packed as {@link dev.quire.api.hw.Operation}
   *     says. Supervisor accesses are exempt from SMAP, for the recording says that they succeeded
   * @param places receives at the same indices where it went: guest-physical addresses
   * @param from index at which to begin
   * @param to index at which to stop
   * @return the index after the last one written; less than {@code to} only if another record is
   *     next
   */
  public int accesses(long[] operations, long[] places, int from, int to) {
    if (!header.window() || ended) {
      return from;
    }
    int next = decoder.run(operations, places, from, to);
    record += next - from;
    return next;
  }

  /**
   * Reads the next record.
   *
   * @return its tag, a constant of {@link Tag}; the last one is {@link Tag#END}
   */
  public int next() {
    if (ended) {
      throw new IllegalStateException("nothing follows END");
    }
    input.require(TraceInput.SLACK);
    recordOffset = input.offset();
    if (input.exhausted()) {
      throw input.failure("the file is cut: it ends without an END record");
    }
    record++;
    int tag = Math.min(input.u8(), Tag.ACCESS);
    if (tag == Tag.ACCESS) {
      singleAccess();
    } else {
      decode(tag);
    }
    input.check();
    if (tag == Tag.END) {
      end();
    }
    return tag;
  }

  private void decode(int tag) {
    switch (tag) {
      case Tag.TICK -> tick();
      case Tag.END, Tag.CR0, Tag.CR3, Tag.CR4, Tag.EFER, Tag.PKRU -> value = input.uv();
      case Tag.CR0_IMPLICIT, Tag.CR3_IMPLICIT, Tag.CR4_IMPLICIT -> value = input.uv();
      case Tag.EFER_IMPLICIT, Tag.PKRU_IMPLICIT, Tag.IRQ -> value = input.uv();
      case Tag.WINDOW_BEGIN, Tag.WINDOW_END -> value = input.uv();
      case Tag.INVLPG -> linear = input.uv();
      case Tag.INVPCID -> invpcid();
      case Tag.PDPTE -> pdpte();
      case Tag.PTPAGE -> ptpage();
      case Tag.PTSTORE -> ptstore();
      case Tag.FILL -> fill();
      case Tag.FAULT -> fault();
      case Tag.RETIRE -> value = frame(input.uv());
      case Tag.STATE_END -> windowOnly("a STATE_END");
      case Tag.HLT -> {}
      case Tag.MARK -> value = input.u8();
      default -> throw damaged("no record has the tag 0x" + Integer.toHexString(tag));
    }
  }

  private void singleAccess() {
    windowOnly("an ACCESS");
    input.seek(input.at() - 1);
    decoder.single(input.u8(), operation, expected, 0);
    physical = expected[0];
  }

  private void tick() {
    value = input.uv();
    instructions += value;
    refuseUnless(value >= 0 && instructions >= 0, "a TICK of ", value);
  }

  private void end() {
    if (value != instructions) {
      throw damaged("END says " + value + " instructions, the TICKs say " + instructions);
    }
    input.require(1);
    if (!input.exhausted()) {
      throw input.failure("something follows the END record");
    }
    ended = true;
  }

  private void invpcid() {
    flags = input.u8();
    value = input.uv();
    linear = input.uv();
    refuseUnless(flags <= 3, "INVPCID of type ", flags);
  }

  private void pdpte() {
    for (int i = 0; i < pdptes.length; i++) {
      pdptes[i] = input.uv();
    }
  }

  private void ptpage() {
    value = frame(input.uv());
    flags = input.u8();
    refuseUnless(flags <= TOP_LEVEL, "a page table of level ", flags);
    int filled = 0;
    while (filled < PAGE_LONGS) {
      input.check();
      input.require(TraceInput.SLACK);
      input.checkLeft(1);
      long zeros = input.uv();
      long literals = input.uv();
      int left = PAGE_LONGS - filled;
      refuseUnless(zeros >= 0 && zeros <= left, "a page with zeros: ", zeros);
      refuseUnless(literals >= 0 && literals <= left - zeros, "a page with entries: ", literals);
      Arrays.fill(page, filled, filled + (int) zeros, 0);
      filled = literals(filled + (int) zeros, (int) literals);
    }
  }

  /** The only piece of a record that can be longer than the slack. */
  private int literals(int from, int count) {
    input.check();
    input.require(count * Long.BYTES);
    input.checkLeft(count * Long.BYTES);
    for (int i = from; i < from + count; i++) {
      page[i] = input.le(Long.BYTES);
    }
    return from + count;
  }

  private void ptstore() {
    flags = input.u8();
    refuseUnless((flags & 0xC4) == 0, "a PTSTORE with descriptor ", flags);
    physical = lastStore + input.sv();
    value = input.le(storeBytes());
    storeCount = (flags & 0x20) != 0 ? input.uv() : 1;
    refuseUnless(storeCount > 0 && storeCount <= PAGE_LONGS * 8, "a run of stores: ", storeCount);
    lastStore = physical + storeCount * storeBytes();
    frame(physical >>> 12);
    frame(lastStore - 1 >>> 12);
  }

  private void fill() {
    flags = input.u8();
    lastFillLinear += input.sv();
    lastFillFrame += input.sv();
    linear = canonical(lastFillLinear);
    physical = frame(lastFillFrame) << 12 | linear & 0xFFF;
    refuseUnless(flags <= 0x7F, "a FILL with flags ", flags);
  }

  private void fault() {
    flags = input.u8();
    value = input.uv();
    linear = canonical(input.uv());
    rip = input.uv();
    refuseUnless((flags & ~0x27) == 0, "a FAULT with flags ", flags);
    refuseUnless(value >>> 32 == 0, "a FAULT with error code ", value);
  }

  private long frame(long frame) {
    refuseUnless(frame >= 0 && frame < FRAMES, "a frame beyond 2^52 bytes: ", frame);
    return frame;
  }

  private long canonical(long address) {
    refuseUnless(address << 7 >> 7 == address, "an address that is not canonical: ", address);
    return address;
  }

  private void refuseUnless(boolean good, String what, long number) {
    if (!good) {
      throw damaged(what + "0x" + Long.toHexString(number));
    }
  }

  private void windowOnly(String what) {
    if (!header.window()) {
      throw damaged(what + " record in a base file");
    }
  }

  private InputException damaged(String what) {
    return input.failure(
        "record " + record + ", which begins at byte " + recordOffset + ", is damaged: " + what);
  }

  /**
   * The register of CR0, CR3, CR4, EFER, PKRU and their implicit forms, the count of TICK and END,
   * the PCID of INVPCID, the error code of FAULT, the stored value of PTSTORE, the number of
   * WINDOW_BEGIN, WINDOW_END, IRQ and MARK.
   */
  public long value() {
    return value;
  }

  /** PTPAGE, RETIRE: the frame. */
  public @Gfn long frame() {
    return Addresses.gfn(value);
  }

  /** PTPAGE: the content, 512 quadwords; valid until the next PTPAGE. */
  public long[] page() {
    return page;
  }

  /** PDPTE: register {@code i}. */
  public long pdpte(int i) {
    return pdptes[i];
  }

  /** INVLPG, INVPCID, FILL, FAULT: the linear address. */
  public @Gva long linear() {
    return Addresses.gva(linear);
  }

  /** FILL, ACCESS: the physical address that was reached; PTSTORE: the first one stored to. */
  public @Gpa long physical() {
    return Addresses.gpa(physical);
  }

  /** ACCESS: the operation, packed as {@link #accesses} does. */
  public long operation() {
    return operation[0];
  }

  /** Length of the last data access that {@link #accesses} or {@link #next} read. Unit: bytes. */
  public int accessBytes() {
    return decoder.lastLength();
  }

  /** INVPCID: 0 to 3. PTPAGE: the level, 0 for a page table. */
  public int kind() {
    return flags;
  }

  /** FILL, FAULT: the flags byte as it stands in the file. */
  int flags() {
    return flags;
  }

  /** FILL, FAULT: what kind of access it was, flags of {@link Access}. */
  public long access() {
    int kind = flags & 3;
    long access = kind == 0 ? 0 : kind == 2 ? Access.FETCH : Access.WRITE;
    return Access.of(access, (flags & 4) != 0, (flags & 0x20) != 0);
  }

  /** FILL: log2 of the page size. */
  public int pageShift() {
    return switch (flags >>> 3 & 3) {
      case 0 -> 12;
      case 1 -> 21;
      case 2 -> 22;
      default -> 30;
    };
  }

  /** FILL: whether the page is global and CR4.PGE = 1. */
  public boolean global() {
    return (flags & 0x40) != 0;
  }

  /** FAULT: linear address of the instruction. */
  public @Gva long rip() {
    return Addresses.gva(rip);
  }

  /** PTSTORE: size of one store. Unit: bytes. */
  public int storeBytes() {
    return 1 << (flags & 7);
  }

  /** PTSTORE: how many stores of the same value there are, each behind the one before. */
  public int storeCount() {
    return (int) storeCount;
  }

  /** PTSTORE: whether the page walker made it, to set A or D. */
  public boolean storedByWalker() {
    return (flags & 8) != 0;
  }

  /** PTSTORE: whether a device made it. */
  public boolean storedByDevice() {
    return (flags & 0x10) != 0;
  }

  @Override
  public void close() {
    input.close();
  }
}
