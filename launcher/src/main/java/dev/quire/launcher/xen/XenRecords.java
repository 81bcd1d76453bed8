// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.CpuProfile;
import java.io.PrintWriter;
import java.nio.file.Path;

/**
 * Checks records of a real Xen against the hypervisor and the guest interface that a launch has.
 */
public final class XenRecords {
  /** Frame numbers have as many bits as entries have room for. */
  private static final int PHYSICAL_BITS = 52;

  private final MachineFactory machines;
  private final HypervisorFactory hypervisors;
  private final GuestInterface pv;

  /** With these services. */
  public XenRecords(MachineFactory machines, HypervisorFactory hypervisors, GuestInterface pv) {
    this.machines = machines;
    this.hypervisors = hypervisors;
    this.pv = pv;
  }

  private PhysicalMemory memory() {
    CpuProfile profile = CpuProfile.full(CpuProfile.Vendor.AMD, PHYSICAL_BITS);
    return machines.create(MachineSpec.bare(profile)).memory();
  }

  private FrameTable frames(long count) {
    return hypervisors.frameTable(Addresses.mfn(count));
  }

  /**
   * Builds the frame table of a dump anew and compares.
   *
   * @param shown how many lines of each kind are printed
   * @return whether everything is equal
   * @throws dev.quire.api.guest.InputException naming file and line of what is damaged
   */
  public boolean audit(Path file, PrintWriter out, int shown) {
    Dump dump = Dump.read(file);
    AuditFindings findings = new DumpAudit(dump, frames(dump.frames()), memory(), pv).run();
    new AuditTable(out, shown).print(file, dump, findings);
    return findings.isClean();
  }

  /** Whether a file holds recorded hypercalls. */
  public static boolean isHypercalls(Path file) {
    return HypercallStream.isOne(file);
  }

  /**
   * Makes recorded hypercalls again and compares every answer.
   *
   * @param shown how many differences are printed
   * @return whether everything is equal
   * @throws dev.quire.api.guest.InputException naming file and line of what is damaged
   */
  public boolean conform(Path file, PrintWriter out, int shown) {
    HypercallStream stream = HypercallStream.read(file);
    HypercallReplay replay =
        new HypercallReplay(stream, frames(stream.header().number("max_page")), memory(), pv);
    StreamFindings findings = replay.run();
    findings.print(file, out, shown);
    return findings.isClean();
  }
}
