// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import dev.quire.paging.shadow.PageFaults.Answer;
import org.jspecify.annotations.Nullable;

/**
 * Shadow paging for one vCPU in whatever mode its registers select: guest tables of 2 to 5 levels,
 * or none. The hardware always has paging on, with 8-byte entries, write protection and no-execute;
 * 2- and 3-level guests run on PAE tables, a guest without paging on those of a table that maps
 * every address to itself.
 */
final class ShadowMode implements PagingMode {
  /**
   * CD and NW too: under PAE a change of them loads the PDPTE registers from where CR3 points, and
   * the hardware's points nowhere.
   */
  private static final long CR0_INTERCEPTS = Cr0.PE | Cr0.PG | Cr0.WP | Cr0.CD | Cr0.NW;

  private static final long UNPAGED_RIGHTS =
      Translation.PRESENT
          | Translation.WRITABLE
          | Translation.USER
          | Translation.EXECUTABLE
          | Translation.DIRTY;

  private final ShadowDomain domain;
  private final Vcpu vcpu;
  private final Roots roots;
  private final PagingContext guest;
  private final GuestPath path;
  private final HighLevelView view;
  private final LastWrite lastWrite = new LastWrite();
  private int guestLevels = 1;
  private @Gva long lastFault = Addresses.gva(0);
  private long fault;

  ShadowMode(ShadowDomain domain, Vcpu vcpu) {
    this.domain = domain;
    this.vcpu = vcpu;
    this.roots = new Roots(domain, this);
    this.guest = new PagingContext(domain.profile());
    this.path = new GuestPath(domain.guest());
    this.view = new HighLevelView(domain);
  }

  // ---- registers ----

  /** The registers that decide the mode may have changed. */
  void update() {
    domain.lock();
    try {
      domain.sync().modeChanges();
      registersChanged();
      domain.judgeSync();
    } finally {
      domain.unlock();
    }
  }

  private void registersChanged() {
    lastWrite.forget();
    Registers registers = vcpu.registers();
    guest.load(registers);
    PagingRules rules = guest.rules();
    guestLevels = rules == null ? 1 : rules.format().levels();
    setHardware(registers);
    loadRoots();
  }

  private void setHardware(Registers registers) {
    Registers hardware = vcpu.control().registers();
    boolean isLong = guestLevels >= 4;
    hardware.cr0 = registers.cr0 | Cr0.PE | Cr0.PG | Cr0.WP;
    long cr4 = registers.cr4 | Cr4.PAE;
    hardware.cr4 =
        isLong ? cr4 : cr4 & ~(Cr4.LA57 | Cr4.PCIDE | (guestLevels == 1 ? Cr4.SMEP | Cr4.SMAP : 0));
    long efer = registers.efer & ~(Efer.LMA | Efer.LME) | Efer.NXE;
    hardware.efer = isLong ? efer | Efer.LMA | Efer.LME : efer;
    hardware.cr2 = registers.cr2;
    hardware.pkru = registers.pkru;
    hardware.pkrs = registers.pkrs;
    if (vcpu.control().kernelIsUser()) { // without privilege every one traps
      vcpu.control().interceptRegisters(-1, true, -1, true, true);
    } else {
      vcpu.control().interceptRegisters(CR0_INTERCEPTS, true, Cr4.PAGING, true, false);
    }
    vcpu.control().interceptInvalidation(true);
    vcpu.control().interceptPageFaults(0, 0);
  }

  @Override
  public void updateCr3(Vcpu ofVcpu, boolean keepCached) {
    domain.lock();
    try {
      domain.sync().rootsChange(vcpu.number());
      registersChanged();
      domain.sync().rootsChanged(vcpu.number());
    } finally {
      domain.unlock();
    }
  }

  /** Gives the hardware the shadows of the tables that the guest's registers point to. */
  boolean loadRoots() {
    return roots.load(guest, guestLevels);
  }

  // ---- the guest's tables ----

  /** Walks as the hardware would on the guest's own tables; sets A and D. */
  long walk(@Gva long linear, long access) {
    lastFault = linear;
    if (guest.rules() == null) {
      return UNPAGED_RIGHTS | linear & 0xfffff000L;
    }
    guest.load(vcpu.registers()); // the keys are the hardware's to change
    return domain
        .walker()
        .walk(guest, linear, asSeen(access), tables(linear), PageWalker.SET_ACCESSED_DIRTY, null);
  }

  /** The kernel of a PV guest is to the hardware one of its programs. */
  long asSeen(long access) {
    boolean user = vcpu.control().kernelIsUser();
    return user ? access | Access.USER | Access.SMAP_EXEMPT : access;
  }

  /** Where the guest's tables are found for an address. */
  private FrameMapper tables(@Gva long linear) {
    if (!domain.options().isClassic()) {
      return domain.guest();
    }
    domain.lock();
    try {
      readPath(linear);
      if (domain.sync().catchUp(path)) {
        readPath(linear);
      }
      view.prepare(path);
      return view;
    } finally {
      domain.unlock();
    }
  }

  LastWrite lastWrite() {
    return lastWrite;
  }

  /** Flags of {@link Rights}, as the guest has set them. */
  int rights() {
    PagingRules rules = guest.rules();
    return rules == null ? 0 : rules.rights();
  }

  /** The guest frame that an address lies in. */
  @Gfn
  long gfn(long translation, @Gva long linear) {
    PagingRules rules = guest.rules();
    int shift = rules == null ? 12 : rules.format().shift(Translation.level(translation));
    return Addresses.gfn(Translation.address(translation, linear, shift) >>> Addresses.PAGE_SHIFT);
  }

  /** Reads the entries on the way to an address; see {@link GuestPath#read}. */
  boolean readPath(@Gva long linear) {
    return path.read(roots.kind(), roots.roles(), roots.table(linear), linear);
  }

  GuestPath path() {
    return path;
  }

  /** The shadow of the root table for an address, or {@link ShadowPages#NONE}. */
  int rootFor(@Gva long linear) {
    return roots.rootFor(linear);
  }

  /** Whether CR0.WP = 1, with which the hardware runs, would permit an access too. */
  boolean isPermittedByHardware(long translation, long access) {
    PagingRules rules = guest.rules();
    return rules == null
        || Rights.permit(
            translation,
            asSeen(access),
            rules.rights() | Rights.WRITE_PROTECT,
            guest.pkru(),
            guest.pkrs());
  }

  @Override
  public long translate(Vcpu ofVcpu, @Gva long linear, long access, @Nullable WalkTrace trace) {
    if (trace != null || guest.rules() == null || !domain.options().isClassic()) {
      return ofVcpu.translate(linear, access, trace);
    }
    guest.load(vcpu.registers());
    return domain.walker().walk(guest, linear, access, tables(linear), PageWalker.LOOK_ONLY, null);
  }

  // ---- exits ----

  @Override
  public Resolution pageFault(Vcpu ofVcpu) {
    ControlBlock control = ofVcpu.control();
    @Gva long linear = control.exitLinear();
    long access = ofVcpu.trappedAccess();
    int code = Translation.errorCode(control.exitFault());
    switch (answer(linear, access, code)) {
      case FIXED -> {
        return Resolution.FIXED;
      }
      case INJECT -> {
        control.exit(Vector.PF, Translation.errorCode(fault), linear, fault);
        return Resolution.INJECT;
      }
      case NO_ROOM -> {
        return Resolution.CRASH;
      }
      default -> {
        Resolution resolution = ofVcpu.emulate();
        if (resolution != Resolution.EMULATED) {
          lastWrite.forget();
        }
        return resolution;
      }
    }
  }

  /**
   * What a fault of the hardware's comes to.
   *
   * @param access flags of {@link dev.quire.api.x86.Access}
   * @param code the hardware's error code
   */
  Answer answer(@Gva long linear, long access, int code) {
    Answer fast = domain.fastFaults().handle(this, linear, access, code);
    return fast != null ? fast : domain.faults().handle(this, linear, access);
  }

  /** The fault that the guest has to handle. */
  void fault(long found) {
    fault = found;
  }

  /** The hardware's fault becomes the guest's. */
  void faultOfHardware() {
    fault = vcpu.control().exitFault();
  }

  /** What {@link PageFaults.Answer#INJECT} is about. */
  long fault() {
    return fault;
  }

  @Override
  public boolean invalidate(Vcpu ofVcpu, @Gva long linear) {
    lastWrite.forget();
    domain.lock();
    try {
      boolean changed = domain.sync().invalidate(this, linear);
      long place = placeOf(linear);
      if (place == ShadowPages.NO_PARENT) {
        if ((vcpu.registers().cr4 & Cr4.PCIDE) != 0) {
          domain.flush(); // what another root led to can have been kept, since the PCID is the same
        }
        return changed;
      }
      int slot = ShadowPages.placeSlot(place);
      if (domain.pages().kind(slot).isSplinter()) {
        domain.flush(); // the guest has one page there, the TLB many
        return changed;
      }
      return true;
    } finally {
      domain.unlock();
    }
  }

  @Override
  public void pagetableDying(Vcpu ofVcpu, @Gpa long root) {
    if (domain.options().isClassic()) {
      return;
    }
    domain.lock();
    try {
      domain.dying().add(roots.kind(), root);
    } finally {
      domain.unlock();
    }
  }

  @Override
  public void writeGuestEntry(Vcpu ofVcpu, @Gfn long gfn, int offset, int bytes, long value) {
    @Mfn long mfn = domain.guest().toMachine(gfn);
    if (mfn != FrameMapper.NONE) {
      domain.memory().store(Addresses.mfnToMaddr(mfn, offset), bytes, value);
      domain.dirtied(gfn);
      domain.guestMemoryWritten(Addresses.gfnToGpa(gfn, offset), bytes);
    }
  }

  @Override
  public long compareExchangeGuestEntry(
      Vcpu ofVcpu, @Gfn long gfn, int offset, int bytes, long expected, long replacement) {
    @Mfn long mfn = domain.guest().toMachine(gfn);
    if (mfn == FrameMapper.NONE) {
      return -1L >>> Long.SIZE - Byte.SIZE * bytes;
    }
    @Maddr long address = Addresses.mfnToMaddr(mfn, offset);
    long before = domain.memory().compareExchange(address, bytes, expected, replacement);
    domain.dirtied(gfn);
    domain.guestMemoryWritten(Addresses.gfnToGpa(gfn, offset), bytes);
    return before;
  }

  // ---- for the others, under the lock ----

  /**
   * The place of the last-level shadow entry for an address, or {@link ShadowPages#NO_PARENT} if
   * there is no table with one.
   */
  long placeOf(@Gva long linear) {
    ShadowPages pages = domain.pages();
    int slot = roots.rootFor(linear);
    while (slot != ShadowPages.NONE) {
      ShadowKind kind = pages.kind(slot);
      int guestIndex =
          kind.isSplinter() && kind.isLast()
              ? (int) (linear >>> Addresses.PAGE_SHIFT) & kind.guestEntries() - 1
              : roots.kind().format().index(linear, kind.level());
      if (kind.isLast()) {
        return ShadowPages.place(slot, guestIndex);
      }
      long entry = pages.entry(slot, guestIndex * kind.entriesPerGuestEntry());
      slot = domain.graph().child(entry);
    }
    return ShadowPages.NO_PARENT;
  }

  /** The address whose tables are being used. */
  @Gva
  long lastFault() {
    return lastFault;
  }

  @Gfn
  long gfnOf(@Mfn long mfn) {
    return domain.gfnOf(mfn);
  }

  int usesAsRoot(int slot) {
    return roots.uses(slot);
  }

  void emptyRoots() {
    roots.empty();
  }

  void dropRoots() {
    roots.drop();
  }

  @Override
  public int guestLevels() {
    return guestLevels;
  }

  @Override
  public int hardwareLevels() {
    return Math.max(3, guestLevels);
  }

  Vcpu vcpu() {
    return vcpu;
  }
}
