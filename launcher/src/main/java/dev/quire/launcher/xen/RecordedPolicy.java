// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import dev.quire.api.address.Mfn;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.x86.PageEntry;
import java.util.Optional;

/**
 * What the domain that hypercalls were recorded of might do, and what its hypervisor put into the
 * slots of its own: a hardware domain on an AMD machine with 40-bit addresses.
 */
final class RecordedPolicy implements GuestPolicy {
  private static final int FIRST_SLOT = 256;
  private static final int SLOTS = 16;
  private static final int SELF_MAP_SLOT = 258;

  /** The APIC of a CPU: nobody's but Xen's. */
  private static final long LOCAL_APIC = 0xfee00;

  /** The IO-APIC: to be read only. */
  private static final long IO_APIC = 0xfec00;

  private static final long END_OF_ADDRESSES = 1L << 40 - 12;

  private final long[] slots = new long[SLOTS];

  private RecordedPolicy() {}

  /**
   * Reads the hypervisor's slots off a page that is a validated level-4 table in the end; if there
   * is none, off entries that the guest tried to change and was refused.
   */
  static RecordedPolicy of(HypercallStream stream) {
    RecordedPolicy policy = new RecordedPolicy();
    Optional<XenRecord> root =
        stream.last().stream()
            .filter(it -> it.text("t").equals("l4") && it.text("tf").contains("V"))
            .findFirst();
    if (root.isPresent()) {
      XenRecord entries = root.get().object("entries");
      for (int slot = FIRST_SLOT; slot < FIRST_SLOT + SLOTS; slot++) {
        if (entries.has(Integer.toString(slot))) {
          policy.seen(slot, entries.hex(Integer.toString(slot)));
        }
      }
      return policy;
    }
    for (XenRecord it : stream.operations()) {
      if (it.has("rb") && it.number("rc") != 0) {
        policy.seen((int) it.number("i"), it.hex("rb"));
      }
    }
    return policy;
  }

  private void seen(int slot, long entry) {
    boolean supervisors = (entry & (PageEntry.P | PageEntry.US)) == PageEntry.P;
    boolean inRange = slot >= FIRST_SLOT && slot < FIRST_SLOT + SLOTS;
    if (supervisors && inRange && slot != SELF_MAP_SLOT) {
      slots[slot - FIRST_SLOT] = entry;
    }
  }

  @Override
  public boolean mayMapDevice(@Mfn long mfn) {
    return mfn < END_OF_ADDRESSES && mfn != LOCAL_APIC;
  }

  @Override
  public boolean isReadOnlyDevice(@Mfn long mfn) {
    return mfn == IO_APIC;
  }

  @Override
  public boolean controlsMemoryTypes() {
    return true;
  }

  @Override
  public long hypervisorSlot(int slot) {
    return slots[slot - FIRST_SLOT];
  }
}
