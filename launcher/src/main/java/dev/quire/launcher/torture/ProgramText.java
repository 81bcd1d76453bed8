// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.guest.InputException;
import dev.quire.api.x86.Access;
import dev.quire.launcher.torture.GuestOperation.Kind;
import dev.quire.launcher.torture.GuestProgram.Plan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * Reads a program that a failure was told as, or one that somebody wrote:
 *
 * <pre>
 * guest vcpus 2 cpus 1 order 9           # of the p2m; "exact" after it: nothing old is permitted
 * v0 cr3 0x11000
 * v0 store user 4 0x601008 0x19067       # size, linear address, value
 * v1 invlpg 0x1000
 * </pre>
 */
final class ProgramText {
  private static final Set<Integer> SIZES = Set.of(1, 2, 4, 8);
  private static final int MOST_VCPUS = 16;

  private final Path file;
  private int line;

  private ProgramText(Path file) {
    this.file = file;
  }

  /**
   * Reads a file.
   *
   * @throws InputException with file and line, if it is none or a line is no operation
   */
  static GuestProgram read(Path file) {
    try {
      return new ProgramText(file).parse(Files.readAllLines(file));
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private GuestProgram parse(List<String> lines) {
    Plan plan = null;
    List<GuestOperation> operations = new ArrayList<>();
    for (String text : lines) {
      line++;
      String plain = text.replaceAll("#.*", "").strip();
      if (plain.isEmpty()) {
        continue;
      }
      List<String> words = Arrays.asList(plain.split("\\s+", -1));
      if (plan == null) {
        plan = plan(words);
      } else {
        operations.add(operation(words, plan.vcpus()));
      }
    }
    if (plan == null) {
      throw bad("a line \"guest vcpus N cpus N order N\" is wanted");
    }
    return new GuestProgram(plan, operations);
  }

  private Plan plan(List<String> words) {
    boolean exact = words.size() == 8 && words.get(7).equals("exact");
    boolean shape =
        (words.size() == 7 || exact)
            && words.get(0).equals("guest")
            && words.get(1).equals("vcpus")
            && words.get(3).equals("cpus")
            && words.get(5).equals("order");
    if (!shape) {
      throw bad("\"guest vcpus N cpus N order N\" is wanted first");
    }
    int vcpus = (int) number(words.get(2));
    int cpus = (int) number(words.get(4));
    int order = (int) number(words.get(6));
    if (vcpus < 1 || vcpus > MOST_VCPUS || cpus < 1 || cpus > vcpus) {
      throw bad("1 to " + MOST_VCPUS + " vCPUs, and no more CPUs than those");
    }
    if (order != 0 && order != 9) {
      throw bad("the order is 0 or 9");
    }
    return new Plan(vcpus, cpus, order, exact);
  }

  private GuestOperation operation(List<String> words, int vcpus) {
    Kind kind = words.size() < 2 ? null : GuestOperation.kindOf(words.get(1));
    if (kind == null || !words.get(0).startsWith("v")) {
      throw bad("no operation: \"vN KIND ...\" is wanted");
    }
    long vcpu = number(words.get(0).substring(1));
    if (vcpu < 0 || vcpu >= vcpus) {
      throw bad("there is no vCPU " + vcpu);
    }
    int at = 2;
    long mode = 0;
    if (kind.isAccess() && words.size() > at && mode(words.get(at)) != 0) {
      mode = mode(words.get(at++));
    }
    int bytes = 0;
    if (kind.hasSize()) {
      bytes = words.size() > at ? (int) number(words.get(at++)) : 0;
      if (!SIZES.contains(bytes)) {
        throw bad("a size of 1, 2, 4 or 8 bytes is wanted");
      }
    }
    if (words.size() - at != kind.numbers()) {
      throw bad(kind.word() + " takes " + kind.numbers() + " numbers");
    }
    long[] numbers = new long[3];
    for (int i = 0; i < kind.numbers(); i++) {
      numbers[i] = number(words.get(at + i));
    }
    return kind.isAccess()
        ? GuestOperation.access((int) vcpu, kind, mode, bytes, numbers[0], numbers[1], numbers[2])
        : new GuestOperation((int) vcpu, kind, 0, bytes, numbers[0], numbers[1], 0);
  }

  private static long mode(String word) {
    return switch (word) {
      case "user" -> Access.of(0, true, false);
      case "ac" -> Access.of(0, false, true);
      default -> 0;
    };
  }

  private long number(String word) {
    try {
      return word.startsWith("0x")
          ? Long.parseUnsignedLong(word.substring(2), 16)
          : Long.parseLong(word);
    } catch (NumberFormatException e) {
      throw bad("\"" + word + "\" is no number");
    }
  }

  private InputException bad(String what) {
    return new InputException(file + ", line " + line + ": " + what);
  }
}
