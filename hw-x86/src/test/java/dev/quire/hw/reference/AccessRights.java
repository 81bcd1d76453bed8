// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;

/** SDM vol. 3, 4.6 and 4.7, sentence by sentence. */
public final class AccessRights {
  private AccessRights() {}

  /** Whether the access is allowed. */
  public static boolean allows(Page page, Demand demand, Registers registers) {
    if (demand.fetch()) {
      return allowsFetch(page, demand, registers);
    }
    boolean plain =
        demand.write() ? allowsWrite(page, demand, registers) : allowsRead(page, demand);
    return plain && !isStoppedBySmap(page, demand, registers) && !isKeyed(page, demand, registers);
  }

  private static boolean allowsRead(Page page, Demand demand) {
    return page.user() || !demand.user();
  }

  private static boolean allowsWrite(Page page, Demand demand, Registers registers) {
    if (demand.user()) {
      return page.user() && page.writable();
    }
    boolean protect = (registers.cr0 & Cr0.WP) != 0;
    return page.writable() || !protect;
  }

  private static boolean allowsFetch(Page page, Demand demand, Registers registers) {
    if (!page.executable()) {
      return false;
    }
    if (demand.user()) {
      return page.user();
    }
    boolean smep = (registers.cr4 & Cr4.SMEP) != 0;
    return !(smep && page.user());
  }

  private static boolean isStoppedBySmap(Page page, Demand demand, Registers registers) {
    boolean smap = (registers.cr4 & Cr4.SMAP) != 0;
    return smap && !demand.user() && page.user() && !demand.exempt();
  }

  /** 4.6.2: whether the page's key forbids a data access. */
  private static boolean isKeyed(Page page, Demand demand, Registers registers) {
    if (demand.fetch() || (registers.efer & Efer.LMA) == 0) {
      return false;
    }
    boolean inForce = (registers.cr4 & (page.user() ? Cr4.PKE : Cr4.PKS)) != 0;
    int register = page.user() ? registers.pkru : registers.pkrs;
    boolean accessDisabled = (register & 1 << 2 * page.key()) != 0;
    boolean writeDisabled = (register & 2 << 2 * page.key()) != 0;
    boolean writeCounts = demand.write() && (demand.user() || (registers.cr0 & Cr0.WP) != 0);
    return inForce && (accessDisabled || writeDisabled && writeCounts);
  }

  /** 4.7: the bits that only the access decides. */
  public static int accessCode(Demand demand, Registers registers) {
    boolean pae = (registers.cr4 & Cr4.PAE) != 0;
    boolean tellsFetches =
        (registers.cr4 & Cr4.SMEP) != 0 || pae && (registers.efer & Efer.NXE) != 0;
    return (demand.write() ? 2 : 0)
        + (demand.user() ? 4 : 0)
        + (demand.fetch() && tellsFetches ? 16 : 0);
  }

  /** The code of a fault although there is a translation. */
  public static int violationCode(Page page, Demand demand, Registers registers) {
    return 1 + accessCode(demand, registers) + (isKeyed(page, demand, registers) ? 32 : 0);
  }
}
