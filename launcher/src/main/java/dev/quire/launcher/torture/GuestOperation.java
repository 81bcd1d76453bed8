// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.hw.Operation;
import dev.quire.api.x86.Access;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One operation of a guest program, with all that it needs: a program can be shortened anywhere and
 * still be run.
 *
 * @param vcpu who does it; of no meaning to a device
 * @param kind what it is
 * @param access flags of {@link Access}
 * @param bytes size of what is loaded or stored; 0 for others
 * @param place linear address, guest-physical address of a device's store, or the operand of a
 *     register write
 * @param value what is stored or expected, or the second operand of INVPCID
 * @param replacement of an exchange
 */
record GuestOperation(
    int vcpu, Kind kind, long access, int bytes, long place, long value, long replacement) {

  /** What an operation is. */
  enum Kind {
    /** A read that moves no data. */
    READ(0, 1),
    /** A write that moves no data. */
    WRITE(Access.WRITE, 1),
    /** An instruction fetch. */
    FETCH(Access.FETCH, 1),
    /** A load of 1, 2, 4 or 8 bytes. */
    LOAD(0, 1),
    /** A store. */
    STORE(Access.WRITE, 2),
    /** A locked compare-and-exchange. */
    EXCHANGE(Access.WRITE, 3),
    /** A store by a device, to a guest-physical address. */
    DEVICE(0, 2),
    /** MOV to CR0. */
    CR0(Operation.Kind.MOV_CR0),
    /** MOV to CR3. */
    CR3(Operation.Kind.MOV_CR3),
    /** MOV to CR4. */
    CR4(Operation.Kind.MOV_CR4),
    /** WRMSR of EFER. */
    EFER(Operation.Kind.WRMSR_EFER),
    /** WRPKRU. */
    PKRU(Operation.Kind.WRPKRU),
    /** INVLPG. */
    INVLPG(Operation.Kind.INVLPG),
    /** INVPCID. */
    INVPCID(Operation.Kind.INVPCID);

    private final long flags;
    private final int numbers;
    private final Operation.@Nullable Kind control;

    Kind(long flags, int numbers) {
      this.flags = flags;
      this.numbers = numbers;
      control = null;
    }

    Kind(Operation.Kind control) {
      flags = 0;
      numbers = control == Operation.Kind.INVPCID ? 2 : 1;
      this.control = control;
    }

    /** The control operation that it is, null if it is none. */
    Operation.@Nullable Kind control() {
      return control;
    }

    /** Whether it accesses memory by a linear address. */
    boolean isAccess() {
      return control == null && this != DEVICE;
    }

    /** How many numbers it needs. */
    int numbers() {
      return numbers;
    }

    /** Whether it has a size. */
    boolean hasSize() {
      return this == LOAD || this == STORE || this == EXCHANGE || this == DEVICE;
    }

    /** Whether it may change memory otherwise than by A and D. */
    boolean stores() {
      return this == STORE || this == EXCHANGE || this == DEVICE;
    }

    /** As it is written in programs. */
    String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final Map<String, Kind> WORDS =
      Stream.of(Kind.values()).collect(Collectors.toMap(Kind::word, Function.identity()));

  /** The kind that a word of a program means, null if none. */
  static @Nullable Kind kindOf(String word) {
    return WORDS.get(word);
  }

  /** A probe, load, store or exchange; of the values, those that such an operation takes. */
  static GuestOperation access(
      int vcpu, Kind kind, long mode, int bytes, long linear, long value, long replacement) {
    return new GuestOperation(
        vcpu,
        kind,
        kind.flags | mode,
        bytes,
        linear,
        kind.numbers > 1 ? value : 0,
        kind.numbers > 2 ? replacement : 0);
  }

  /** A register write or invalidation. */
  static GuestOperation control(int vcpu, Kind kind, long operand, long second) {
    return new GuestOperation(vcpu, kind, 0, 0, operand, second, 0);
  }

  /** A store by a device. */
  static GuestOperation device(int bytes, long gpa, long value) {
    return new GuestOperation(0, Kind.DEVICE, 0, bytes, gpa, value, 0);
  }

  /** The program's line for it. */
  @Override
  public String toString() {
    StringBuilder line = new StringBuilder("v").append(vcpu).append(' ').append(kind.word());
    if ((access & Access.USER) != 0) {
      line.append(" user");
    } else if ((access & Access.SMAP_EXEMPT) != 0) {
      line.append(" ac");
    }
    if (kind.hasSize()) {
      line.append(' ').append(bytes);
    }
    long[] numbers = {place, value, replacement};
    for (int i = 0; i < kind.numbers; i++) {
      line.append(" 0x").append(Long.toHexString(numbers[i]));
    }
    return line.toString();
  }
}
