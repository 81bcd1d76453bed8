// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.ErrorCode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One Xen PV domain of 64 bits: its tables, its vCPUs, its calls. */
final class PvDomain implements InterfaceDomain {
  private static final int ENABLE = 0;
  private static final int DISABLE = 1;
  private static final int WRITABLE_TABLES = 2;
  private static final int M2P_STRICT = 32;

  /** Of {@code vm_assist}: the types that 64-bit guests may ask for. */
  private static final long ASSISTS = 1L << WRITABLE_TABLES | 1L << 5 | 1L << M2P_STRICT;

  /** Those that 32-bit guests may ask for. */
  private static final long COMPAT_ASSISTS = 0x3f;

  private static final int EXTENDED_CR3 = 3;

  /** {@code CONFIG_DOMU_MAX_ORDER} and {@code CONFIG_HWDOM_MAX_ORDER}. */
  private static final int GUEST_ORDER = 9;

  private static final int HARDWARE_ORDER = 12;

  private final DomainHost host;
  private final Domain domain;
  private final int slots;
  private final PvPagetables tables;
  private final PvVcpu[] vcpus;
  private final Hypercalls[] calls;
  private final WritableTables[] stores;
  private final GrantRules grantRules;
  private final GrantTable grants;
  private final Maptrack maptrack = new Maptrack();

  /** Frames of the hypervisor's that the domain may write. */
  private final Set<Long> lent = new HashSet<>();

  private volatile long assists;

  /**
   * A domain whose vCPUs have no roots yet.
   *
   * @param patience made for each vCPU: when its calls stop
   */
  PvDomain(DomainHost host, Supplier<Patience> patience) {
    this(host, patience, EntryRules.SLOTS, GrantRules.XEN, TableFormat.LONG);
  }

  /**
   * The same in a small world, or by other rules.
   *
   * @param slots entries of a table: a power of two
   */
  PvDomain(
      DomainHost host,
      Supplier<Patience> patience,
      int slots,
      GrantRules grantRules,
      TableFormat format) {
    this.host = host;
    this.grantRules = grantRules;
    this.slots = slots;
    domain = host.domain();
    tables =
        new PvPagetables(
            host.frames(),
            domain.machine().memory(),
            host.policy(),
            domain.id(),
            slots,
            EntryMasks.XEN,
            format,
            host);
    grants = new GrantTable(this, domain.machine().memory());
    vcpus = new PvVcpu[domain.vcpus()];
    calls = new Hypercalls[vcpus.length];
    stores = new WritableTables[vcpus.length];
    for (int i = 0; i < vcpus.length; i++) {
      vcpus[i] = new PvVcpu(this, domain.vcpu(i), patience.get());
      calls[i] = new Hypercalls(vcpus[i]);
      stores[i] = new WritableTables(vcpus[i]);
    }
  }

  DomainHost host() {
    return host;
  }

  int id() {
    return domain.id();
  }

  /** How many entries a table has. */
  int slots() {
    return slots;
  }

  PvPagetables tables() {
    return tables;
  }

  /** Whether its kernel and programs run in compatibility mode: a 32-bit guest. */
  boolean isCompat() {
    return tables.format() == TableFormat.PAE;
  }

  PvVcpu vcpu(int number) {
    return vcpus[number];
  }

  // ---- what it shares ----

  GrantRules grantRules() {
    return grantRules;
  }

  /** What it grants to others. */
  GrantTable grants() {
    return grants;
  }

  /** What it has mapped of what others grant. */
  Maptrack maptrack() {
    return maptrack;
  }

  /**
   * A frame of the hypervisor's that the domain may write ({@code share_xen_page_with_guest}), or
   * {@link FrameMapper#NONE}.
   */
  synchronized @Mfn long lend(PagingWork work) {
    @Mfn long mfn = host.allocate(FrameWords.XEN_HEAP);
    if (mfn != FrameMapper.NONE) {
      host.frames().getType(mfn, FrameWords.of(FrameType.WRITABLE), work);
      lent.add(mfn);
    }
    return mfn;
  }

  /** The domain ends: what it was lent it may write no more. */
  synchronized void takeBack(PagingWork work) {
    for (long mfn : lent) {
      host.frames().putType(Addresses.mfn(mfn), Addresses.mfn(FrameTable.NO_PARENT), false, work);
    }
    lent.clear();
  }

  // ---- other domains ----

  /** Another PV domain, or null. */
  @Nullable PvDomain peer(int id) {
    return host.peer(id) instanceof PvDomain pv ? pv : null;
  }

  /**
   * Whose frames a call is about ({@code get_pg_owner}).
   *
   * @param named as the guest says it
   * @return {@link FrameTable#NOBODY} if there is no such domain, or it names itself
   */
  int frameOwner(int named) {
    if (named == Batch.DOMID_SELF) {
      return id();
    }
    if (named == id()) {
      return FrameTable.NOBODY;
    }
    return named == FrameTable.DOM_IO || host.exists(named) ? named : FrameTable.NOBODY;
  }

  /** Whether the domain may do something to another's frames or tables. */
  boolean hasPowerOver(int other) {
    return other == id() || other == FrameTable.DOM_IO || host.policy().isPrivilegedOver(other);
  }

  /** The largest extent of memory that it may ask for ({@code max_order}). */
  int mostOrder() {
    return id() == 0 || host.policy().controlsMemoryTypes() ? HARDWARE_ORDER : GUEST_ORDER;
  }

  /** Whether a frame is one that the hypervisor has lent the domain, and not its to give away. */
  boolean isSpecial(@Mfn long mfn) {
    return (host.frames().countWord(mfn) & (FrameWords.XEN_HEAP | FrameWords.EXTRA)) != 0;
  }

  // ---- assists ----

  Errno assist(long command, long type, PagingWork work) {
    work.forgetReason();
    if (type < 0
        || type >= Long.SIZE
        || ((isCompat() ? COMPAT_ASSISTS : ASSISTS) >>> type & 1) == 0) {
      work.because(PvRule.ARGUMENT);
      return Errno.EINVAL;
    }
    if (command != ENABLE && command != DISABLE) {
      work.because(PvRule.COMMAND);
      return Errno.ENOSYS;
    }
    synchronized (this) {
      assists = command == ENABLE ? assists | 1L << type : assists & ~(1L << type);
    }
    if (type == EXTENDED_CR3) {
      tables.rootsAnywhere(command == ENABLE);
    }
    return Errno.OK;
  }

  /** Whether user programs shall not read the machine-to-physical table. */
  boolean hidesM2p() {
    return (assists >>> M2P_STRICT & 1) != 0;
  }

  // ---- exits ----

  @Override
  public Resolution hypercall(Vcpu vcpu, OperationBlock block) {
    int number = vcpu.number();
    if (!vcpus[number].roots().isInKernel()) {
      vcpus[number]
          .roots()
          .enterKernel(); // a system call of a user program, for the guest's kernel
      return Resolution.EMULATED;
    }
    return calls[number].handle(block);
  }

  @Override
  public Resolution pageFault(Vcpu vcpu, OperationBlock block) {
    ControlBlock control = vcpu.control();
    int code = control.exitErrorCode();
    int wanted = ErrorCode.P | ErrorCode.W;
    boolean mayBeStore =
        (code & (wanted | ErrorCode.RSVD | ErrorCode.I)) == wanted
            && (assists >>> WRITABLE_TABLES & 1) != 0
            && vcpus[vcpu.number()].roots().isInKernel();
    return mayBeStore
        ? stores[vcpu.number()].store(control.exitLinear(), block)
        : Resolution.INJECT;
  }

  @Override
  public Resolution registerWrite(Vcpu vcpu, Operation.Kind kind, long operand) {
    PvVcpu pv = vcpus[vcpu.number()];
    if (!pv.roots().isInKernel()) {
      return Resolution.INJECT;
    }
    return switch (kind) {
      case MOV_CR3 -> loadRoot(pv, operand);
      case MOV_CR0 ->
          ((operand ^ vcpu.registers().cr0) & ~Cr0.TS) == 0
              ? Resolution.EMULATED
              : Resolution.INJECT;
      // what the guest may not have is silently not given (pv_fixup_guest_cr4, guest_wrmsr)
      case MOV_CR4, WRMSR_EFER -> Resolution.EMULATED;
      default -> Resolution.INJECT;
    };
  }

  private static Resolution loadRoot(PvVcpu vcpu, long operand) {
    vcpu.beginCall();
    Errno result = vcpu.roots().newKernelRoot(Addresses.maddrToMfn(Addresses.maddr(operand)));
    if (result == Errno.ERESTART) {
      return Resolution.FIXED;
    }
    vcpu.answer(result);
    return result.isOk() ? Resolution.EMULATED : Resolution.INJECT;
  }

  /** Hardware sees ring 3 throughout; the guest's kernel must not. */
  @Override
  public void delivering(Vcpu vcpu) {
    Roots roots = vcpus[vcpu.number()].roots();
    ControlBlock control = vcpu.control();
    if (roots.isInKernel() && !isCompat()) { // a 32-bit kernel has ring 1
      int code = control.exitErrorCode() & ~ErrorCode.U;
      control.exit(control.exitVector(), code, control.exitLinear(), control.exitFault());
    }
    roots.enterKernel();
  }

  // ---- end, audit, figures ----

  @Override
  public Errno relinquish() {
    return Teardown.of(this, domain.vcpus());
  }

  @Override
  public List<String> audit() {
    Recount recount = new Recount(host.frames(), domain.machine().memory(), slots, tables.format());
    GrantAudit mappings = new GrantAudit();
    List<GrantTable> tables = new ArrayList<>();
    for (InterfaceDomain peer : host.peers()) {
      if (peer instanceof PvDomain pv) {
        pv.count(recount);
        mappings.count(pv, recount);
        tables.add(pv.grants);
      }
    }
    List<String> wrong = new ArrayList<>(mappings.audit(tables));
    wrong.addAll(recount.audit());
    return wrong;
  }

  /** Tells an audit what the domain and its vCPUs hold. */
  private void count(Recount recount) {
    for (PvVcpu vcpu : vcpus) {
      for (@Mfn long root : new long[] {vcpu.roots().kernel(), vcpu.roots().user()}) {
        if (root != FrameMapper.NONE) {
          recount.held(root, 1, 1);
        }
      }
      vcpu.descriptors().count(recount);
      vcpu.work()
          .forEachDeferred(
              (@Mfn long mfn, boolean partial) -> recount.held(mfn, partial ? 0 : 1, 1));
    }
  }

  @Override
  public Map<String, Long> statistics() {
    Map<String, Long> figures = new LinkedHashMap<>();
    figures.put("hypercalls", 0L);
    figures.put("preempted", 0L);
    figures.put("stores to tables emulated", 0L);
    figures.put("entries validated", 0L);
    figures.put("entries given back", 0L);
    for (int i = 0; i < vcpus.length; i++) {
      figures.merge("hypercalls", vcpus[i].calls(), Long::sum);
      figures.merge("preempted", vcpus[i].preempted(), Long::sum);
      figures.merge("stores to tables emulated", stores[i].emulated(), Long::sum);
      figures.merge("entries validated", vcpus[i].work().validated(), Long::sum);
      figures.merge("entries given back", vcpus[i].work().givenBack(), Long::sum);
      for (PvRule rule : PvRule.values()) {
        if (vcpus[i].refusals(rule) > 0) {
          figures.merge("refused: " + rule.title(), vcpus[i].refusals(rule), Long::sum);
        }
      }
    }
    return figures;
  }
}
