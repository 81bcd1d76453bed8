// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.StartInfo;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.Translation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Two PV domains, the first with power over the second, and what their vCPUs do. After each step
 * hardware must have reached nothing that the domain may not reach.
 */
final class TortureWorld implements PvWorld {
  /** Guest frames that steps are about: the bootstrap tables are among them. */
  static final int PAGES = 40;

  /** Frames of a domain: what steps never touch by number are its pages of requests. */
  static final int FRAMES = 48;

  /** The domain that makes a call, as it names itself. */
  static final long SELF = 0x7ff0;

  private static final int MOST_EXITS = 100_000;

  /** So many faults in a row, and a domain does nothing else any more. */
  private static final int MOST_FAULTS = 30;

  private static final int DECREASE = 1;
  private static final int POPULATE = 6;
  private static final int EXCHANGE = 11;

  private final Hypervisor hypervisor;
  private final Domain[] domains;
  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final OperationBlock block = new OperationBlock(16);
  private final Map<String, Long> counts = new HashMap<>();
  private final int[] faults = new int[2];
  private final TortureGrants grants;
  private RunResult result = RunResult.DONE;

  TortureWorld(Hypervisor hypervisor, Domain first, Domain second) {
    this.hypervisor = hypervisor;
    domains = new Domain[] {first, second};
    frames = hypervisor.frames();
    memory = first.machine().memory();
    grants = new TortureGrants(domains, block);
    grants.setUp(0, request(0));
    grants.setUp(1, request(0));
  }

  @Override
  public @Nullable String perform(TortureStep it) {
    Vcpu vcpu = domains[it.domain()].vcpu(it.vcpu());
    long exits = vcpu.exits(ExitReason.HYPERCALL);
    long trapped = vcpu.exits(ExitReason.PAGE_FAULT);
    prepare(it);
    result = vcpu.run(block);
    count("steps that ended with " + result);
    faults[it.domain()] = result == RunResult.DONE ? 0 : faults[it.domain()] + 1;
    if (vcpu.exits(ExitReason.HYPERCALL) - exits > MOST_EXITS) {
      return "a call that does not end";
    }
    if (result == RunResult.DONE && it.kind().isOfGrants()) {
      grants.done(it, mfn(it, it.page()), frames);
    }
    return block.next() > 0 ? reached(it, vcpu.exits(ExitReason.PAGE_FAULT) > trapped) : null;
  }

  // ---- operations ----

  private void prepare(TortureStep it) {
    block.clear();
    long access = Access.of(0, (it.flags() & 16) != 0, false);
    switch (it.kind()) {
      case STORE_ENTRY -> block.store(access, Addresses.gva(it.linear()), 8, entry(it));
      case STORE_ANYWHERE ->
          block.store(access, Addresses.gva(anywhere(it)), 1 << it.command(), it.flags());
      case LOAD -> block.load(access, Addresses.gva(anywhere(it)), 8);
      case EXCHANGE ->
          block.compareExchange(false, false, Addresses.gva(it.linear()), 8, 0, entry(it));
      case WRITE_CR3 -> block.control(Kind.MOV_CR3, mfn(it, it.page()) << 12);
      case SYSTEM_CALL -> block.control(Kind.HYPERCALL, 14);
      default -> call(it);
    }
  }

  /** Low addresses, which only tables of the guest's own making map, or any page by its number. */
  private static long anywhere(TortureStep it) {
    return it.target() % 2 == 0 ? it.linear() : (long) it.slot() << 12 + 9 * it.command();
  }

  private void call(TortureStep it) {
    long list = request(it.vcpu());
    switch (it.kind()) {
      case MMU_UPDATE -> {
        long table = it.foreign() && it.command() == 3 ? 2 - it.domain() : 0;
        put(list, mfn(it, it.page()) << 12 | it.slot() * 8L | it.command(), entry(it));
        block.hypercall(1, list, 1, list + 64, table << 16 | owner(it), 0);
      }
      case UPDATE_VA_MAPPING ->
          block.hypercall(
              it.foreign() ? 22 : 14, it.linear(), entry(it), it.command(), owner(it), 0);
      case MMUEXT -> {
        long argument = it.command() >= 6 && it.command() <= 13 ? it.linear() : mfn(it, it.page());
        put(list, it.command(), argument, it.command() == 17 ? mfn(it, it.target()) : list);
        block.hypercall(26, list, 1, list + 64, SELF, 0);
      }
      case SET_GDT -> {
        put(list, mfn(it, it.page()));
        block.hypercall(2, list, it.command(), 0, 0, 0);
      }
      case UPDATE_DESCRIPTOR ->
          block.hypercall(10, mfn(it, it.page()) << 12 | it.slot() * 8L, it.flags(), 0, 0, 0);
      case VM_ASSIST -> block.hypercall(21, it.command() & 1, 2, 0, 0, 0);
      case MEMORY_OP -> {
        put(list, list + 64, 1, 0, SELF);
        put(list + 64, it.command() == 0 ? mfn(it, it.page()) : it.page());
        block.hypercall(12, it.command() == 0 ? DECREASE : POPULATE, list, 0, 0, 0);
      }
      case MULTICALL -> {
        put(list, 14, 0, it.linear(), entry(it), 2, 0, 0, 0, 14, 0, it.linear(), entry(it), 0);
        block.hypercall(13, list, 2, 0, 0, 0);
      }
      case IRET -> {
        put(list, 0, 0, 0, 0, 0, 0xe030 | 3L * (it.command() & 1), 0, 0, 0);
        block.hypercall(23, list, 0, 0, 0, 0);
      }
      default -> frameCall(it, list);
    }
  }

  /** Calls by which frames change hands, or any call at all. */
  private void frameCall(TortureStep it, long list) {
    switch (it.kind()) {
      case MEMORY_EXCHANGE -> {
        put(list, list + 96, 1, 0, SELF, list + 104, 1, 0, SELF, 0, 0, 0, 0);
        put(list + 96, mfn(it, it.page()), it.page());
        block.hypercall(12, EXCHANGE, list, 0, 0, 0);
      }
      case GRANT -> grants.grant(it, mfn(it, it.target()));
      case GRANT_MAP -> grants.map(it, list, mfn(it, it.page()));
      case GRANT_UNMAP -> grants.unmap(it, list, mfn(it, it.page()));
      case GRANT_TRANSFER -> grants.transfer(it, list, mfn(it, it.page()));
      default -> block.hypercall(it.slot(), it.flags(), it.page(), list, SELF, it.flags());
    }
  }

  /** Each vCPU has a page for its requests, in which nobody hinders it but its own tables. */
  private static long request(int vcpu) {
    return StartInfo.BASE + ((long) (FRAMES - 1 - vcpu) << 12) + 8;
  }

  private void put(long list, long... words) {
    for (int i = 0; i < words.length; i++) {
      block.store(Access.of(0, false, false), Addresses.gva(list + i * 8L), 8, words[i]);
    }
  }

  private long mfn(TortureStep it, int page) {
    return domains[it.domain()].gfnToMfn(Addresses.gfn(page));
  }

  private long entry(TortureStep it) {
    if ((it.flags() & PageEntry.P) == 0) {
      return it.flags();
    }
    Domain of = domains[it.foreign() ? 1 - it.domain() : it.domain()];
    return it.flags() & ~PageEntry.FRAME | of.gfnToMfn(Addresses.gfn(it.target())) << 12;
  }

  private static long owner(TortureStep it) {
    return it.foreign() ? 1 - it.domain() : SELF;
  }

  // ---- beside another world ----

  Domain[] domains() {
    return domains;
  }

  FrameTable frames() {
    return frames;
  }

  PhysicalMemory memory() {
    return memory;
  }

  /** Gives the domains to another backend. */
  void swap(PagingBackend backend) {
    for (Domain domain : domains) {
      hypervisor.swap(domain, backend);
    }
  }

  /** All that the vCPU has seen of the last step. */
  String outcome(TortureStep it) {
    Vcpu vcpu = domains[it.domain()].vcpu(it.vcpu());
    StringBuilder seen = new StringBuilder().append(result).append(' ').append(block.next());
    if (result == RunResult.FAULT) {
      seen.append(
          String.format(
              " vector %d code 0x%x at 0x%x",
              vcpu.faultVector(), vcpu.faultErrorCode(), vcpu.faultLinear()));
    }
    for (int i = 0; i < block.next(); i++) {
      seen.append(' ').append(Long.toHexString(block.results()[i]));
      if (!Operation.isControl(block.operations()[i])) {
        seen.append('@').append(Long.toHexString(block.reached()[i]));
      }
    }
    return seen.toString();
  }

  /** The frames that the step's own stores, and what it asked for, have written. */
  void forEachWritten(TortureStep it, LongConsumer consumer) {
    for (int i = 0; i < block.next(); i++) {
      long operation = block.operations()[i];
      boolean control = Operation.isControl(operation);
      boolean exchange = control && Operation.kind(operation) == Kind.COMPARE_EXCHANGE;
      @Mfn long mfn = Addresses.maddrToMfn(Addresses.maddr(block.reached()[i]));
      if (exchange // which may have written nothing
          ? frames.owner(mfn) != it.domain()
          : !control && (operation & Access.WRITE) != 0) {
        consumer.accept(mfn);
      }
    }
    @Gva long answers = Addresses.gva(request(it.vcpu()));
    long access = Access.of(Access.WRITE, false, false);
    long found = domains[it.domain()].vcpu(it.vcpu()).translate(answers, access, null);
    if (!Translation.isFault(found)) {
      @Mfn
      long mfn =
          Addresses.maddrToMfn(
              Addresses.maddr(Translation.address(found, answers, Addresses.PAGE_SHIFT)));
      if (frames.owner(mfn) != it.domain()) {
        consumer.accept(mfn);
      }
    }
  }

  /** In which frames the domains of two worlds differ. */
  List<String> differences(TortureWorld other) {
    List<String> wrong = new ArrayList<>();
    for (Domain domain : domains) {
      frames.forEachOwned(
          domain.id(),
          number -> {
            @Mfn long mfn = Addresses.mfn(number);
            boolean same = other.frames.owner(mfn) == domain.id();
            same &= frames.typeWord(mfn) == other.frames.typeWord(mfn);
            same &= frames.countWord(mfn) == other.frames.countWord(mfn);
            same &= Arrays.equals(memory.frameToRead(mfn), other.memory.frameToRead(mfn));
            if (!same) {
              wrong.add(String.format("domain %d's frame 0x%x differs", domain.id(), mfn));
            }
          });
    }
    return wrong;
  }

  // ---- judgement ----

  /**
   * Whether there is little left to see: a domain has crashed by its own mistake, or it has lost
   * the tables by which it could ask for anything.
   */
  @Override
  public boolean isSpent() {
    boolean crashed = domains[0].crashReason() != null || domains[1].crashReason() != null;
    return crashed || Math.max(faults[0], faults[1]) > MOST_FAULTS;
  }

  private void count(String what) {
    counts.merge(what, 1L, Long::sum);
  }

  /** What the interfaces counted, and how steps ended. */
  @Override
  public Map<String, Long> counts() {
    for (int domain = 0; domain < domains.length; domain++) {
      guest(domain).statistics().forEach((name, count) -> counts.merge(name, count, Long::sum));
    }
    return counts;
  }

  private InterfaceDomain guest(int domain) {
    return Objects.requireNonNull(domains[domain].guestInterface());
  }

  /** What the hardware reached must be the domain's to reach, and no table if it was written. */
  private @Nullable String reached(TortureStep it, boolean trapped) {
    boolean load = it.kind() == TortureStep.Kind.LOAD;
    boolean store = it.kind() == TortureStep.Kind.STORE_ENTRY;
    if (!load && !store) {
      return null;
    }
    @Mfn long mfn = Addresses.maddrToMfn(Addresses.maddr(block.reached()[0]));
    int owner = frames.owner(mfn);
    boolean may =
        owner == it.domain()
            || it.domain() == 0 && owner == 1
            || grants.permits(it.domain(), mfn, frames);
    if (!may && !(load && owner == FrameTable.NOBODY && !isFree(mfn))) {
      return String.format("reached frame 0x%x, which is domain %d's", mfn, owner);
    }
    boolean table = isInUseAsTable(mfn);
    return store && table && !trapped
        ? String.format("wrote frame 0x%x, which is in use as a table", mfn)
        : null;
  }

  /** The machine-to-physical table is nobody's and not free; both domains read it. */
  private boolean isFree(@Mfn long mfn) {
    return domains[0].machine().memory().frameToRead(mfn)[0] == 0;
  }

  private boolean isInUseAsTable(@Mfn long mfn) {
    long word = frames.typeWord(mfn);
    FrameType type = FrameWords.type(word);
    return FrameWords.typeCount(word) > 0 && (type.isTable() || type == FrameType.SEG_DESC);
  }

  /** All counts, what backends keep, and that no table of a domain maps what it may not. */
  @Override
  public List<String> audit() {
    List<String> wrong = new ArrayList<>(guest(0).audit());
    for (Domain domain : domains) {
      wrong.addAll(domain.paging().audit());
      frames.forEachOwned(domain.id(), mfn -> audit(domain.id(), Addresses.mfn(mfn), wrong));
    }
    return wrong;
  }

  private void audit(int domain, @Mfn long mfn, List<String> wrong) {
    long word = frames.typeWord(mfn);
    boolean used = (word & FrameWords.VALIDATED) != 0 && FrameWords.typeCount(word) > 0;
    if (!used || FrameWords.type(word) != FrameType.L1) {
      return;
    }
    for (long entry : memory.frameToRead(mfn)) {
      @Mfn long target = Addresses.maddrToMfn(Addresses.maddr(entry & PageEntry.FRAME));
      if ((entry & PageEntry.P) != 0
          && frames.owner(target) != domain
          && !(domain == 0 && frames.owner(target) == 1)
          && !grants.permits(domain, target, frames)) {
        wrong.add(String.format("domain %d maps frame 0x%x by frame 0x%x", domain, target, mfn));
      }
    }
  }

  /** Ends both domains; whatever stays somebody's is a leak. */
  @Override
  public List<String> end() {
    hypervisor.destroy(domains[0]);
    hypervisor.destroy(domains[1]);
    List<String> wrong = new ArrayList<>();
    for (Domain domain : domains) {
      frames.forEachOwned(
          domain.id(),
          mfn -> wrong.add(String.format("frame 0x%x outlives domain %d", mfn, domain.id())));
    }
    return wrong;
  }
}
