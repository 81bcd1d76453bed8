// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import dev.quire.launcher.conform.WalkVector.Expected;
import dev.quire.launcher.conform.WalkVector.Nested;
import dev.quire.launcher.conform.WalkVector.RegisterValues;
import dev.quire.launcher.conform.WalkVector.TableEntry;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A bare machine of one width on which vectors are tried one after another: no TLB, all of memory
 * is RAM. Each vector puts its entries into memory, loads its registers, makes its access and takes
 * the entries away again, so that it finds the machine as the first one did.
 */
final class VectorBench implements Bench {
  /** Index in the block of the write that may be refused. */
  private static final int ROOT_LOAD = 4;

  private static final int MOST_OPERATIONS = 10;

  private final Machine machine;
  private final Cpu cpu;
  private final PhysicalMemory memory;
  private final ControlBlock control = new ControlBlock();
  private final OperationBlock block = new OperationBlock(MOST_OPERATIONS);
  private final PagingContext context;
  private final WalkTrace trace = new WalkTrace();
  private final Comparison comparison = new Comparison(this::read);

  VectorBench(MachineFactory machines, CpuProfile profile) {
    machine = machines.create(MachineSpec.bare(profile));
    cpu = machine.cpu(0);
    memory = machine.memory();
    context = new PagingContext(profile);
  }

  @Override
  public List<String> tryOut(WalkVector vector) {
    try {
      vector.allEntries().forEach(it -> write(it, it.value()));
      load(vector);
      block.probe(vector.access(), vector.linear());
      ExitReason reason = cpu.enter(control, block, Integer.MAX_VALUE);
      Expected seen = outcome(reason);
      return differences(vector, seen);
    } finally {
      vector.allEntries().forEach(it -> write(it, 0));
    }
  }

  private void write(TableEntry entry, long value) {
    memory.store(Addresses.maddr(entry.address()), entry.bytes(), value);
  }

  /**
   * What was in force gets there without checks, since no path of transitions is recorded; the root
   * of a walk in one dimension is loaded as the recorder loaded it, by the instruction, which
   * latches PDPTEs and may refuse them.
   */
  private void load(WalkVector vector) {
    RegisterValues values = vector.registers();
    block.clear();
    block.control(Kind.LOAD_EFER, values.efer());
    block.control(Kind.LOAD_CR4, values.cr4());
    block.control(Kind.LOAD_CR0, values.cr0());
    block.control(Kind.LOAD_PKRU, values.pkru());
    control.nested().clear();
    if (vector.nested().isEmpty()) {
      block.control(Kind.MOV_CR3, values.cr3());
      return;
    }
    Nested nested = vector.nested().get();
    SecondDimension.enter(control.nested(), nested, vector.isEpt());
    block.control(Kind.LOAD_CR3, values.cr3());
    for (int i = 0; i < nested.pdptes().size(); i++) {
      block.control(Kind.LOAD_PDPTE, nested.pdptes().get(i), i);
    }
  }

  private Expected outcome(ExitReason reason) {
    int probe = block.size() - 1;
    int at = block.next();
    return switch (reason) {
      case DONE -> new Expected.Reached(block.reached()[probe], 0);
      case NESTED_FAULT -> SecondDimension.fault(control);
      case EPT_MISCONFIGURATION -> new Expected.Misconfiguration(control.exitGuestPhysical());
      case FAULT -> {
        if (at == ROOT_LOAD && control.exitVector() == Vector.GP) {
          yield new Expected.RootRefused();
        }
        yield at == probe && control.exitVector() == Vector.PF
            ? new Expected.PageFault(control.exitErrorCode(), control.exitLinear())
            : unexpected(reason);
      }
      default -> unexpected(reason);
    };
  }

  private Expected unexpected(ExitReason reason) {
    return new Expected.Unknown(
        reason + " of operation " + block.next() + ", " + Vector.describe(control.exitVector()));
  }

  private List<String> differences(WalkVector vector, Expected seen) {
    List<String> lines = comparison.differences(vector, seen);
    if (vector.nested().isEmpty() && !(seen instanceof Expected.RootRefused)) {
      software(vector, seen, lines);
      lines.addAll(lines.isEmpty() ? List.of() : walk(vector));
    }
    return lines;
  }

  /**
   * The walker that everybody but the CPU uses must say the same, and it knows the size of the
   * page.
   */
  private void software(WalkVector vector, Expected seen, List<String> lines) {
    long result = lookOnly(vector, null);
    if (seen instanceof Expected.PageFault fault) {
      if (!Translation.isFault(result) || Translation.errorCode(result) != fault.errorCode()) {
        lines.add("the software walk disagrees with the CPU, which raised " + fault);
      }
    } else if (seen instanceof Expected.Reached reached) {
      int shift = rules().format().shift(Translation.level(result));
      if (Translation.isFault(result)
          || Translation.address(result, vector.linear(), shift) != reached.address()) {
        lines.add("the software walk disagrees with the CPU, which " + reached);
      } else if (vector.expected() instanceof Expected.Reached wanted
          && wanted.pageBytes() != 0
          && wanted.pageBytes() != 1L << shift) {
        lines.add(
            String.format("expected a page of 0x%x, not of 0x%x", wanted.pageBytes(), 1L << shift));
      }
    }
  }

  private PagingRules rules() {
    return Objects.requireNonNull(context.rules(), "a vector has paging on");
  }

  private long lookOnly(WalkVector vector, @Nullable WalkTrace told) {
    context.load(control.registers());
    return machine
        .walker()
        .walk(context, vector.linear(), vector.access(), null, PageWalker.LOOK_ONLY, told);
  }

  private long read(TableEntry entry) {
    return memory.load(Addresses.maddr(entry.address()), entry.bytes());
  }

  /** The walk from the vector's own entries, not from what the access left of them. */
  private List<String> walk(WalkVector vector) {
    vector.allEntries().forEach(it -> write(it, it.value()));
    trace.clear();
    return trace.explain(lookOnly(vector, trace));
  }
}
