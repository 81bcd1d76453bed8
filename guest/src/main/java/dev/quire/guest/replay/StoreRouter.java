// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.x86.Access;
import dev.quire.guest.trace.TraceReader;

/**
 * Gives page-table stores back their linear addresses. A recording without single accesses says
 * only which physical bytes a store changed; the guest, and so a backend that watches the guest's
 * tables, sees it happen at an address.
 *
 * <p>The address is in one of the last pages through which a write was seen to reach the frame, the
 * newest that the tables still map so. If there is none, any page that the tables map so will do;
 * if there is none either, a device has to make the store.
 */
final class StoreRouter {
  private static final long KERNEL_WRITE = Access.of(Access.WRITE, false, true);

  private final DeviceStores devices;
  private final GuestCpu cpu;
  private final RecentPages recent = new RecentPages();
  private final TableSearch search;
  private long throughRecent;
  private long throughSearch;
  private long unmapped;

  StoreRouter(Domain domain, GuestCpu cpu, DeviceStores devices) {
    this.devices = devices;
    this.cpu = cpu;
    search = new TableSearch(domain);
  }

  /** Single stores that went through a page seen before. */
  long throughRecent() {
    return throughRecent;
  }

  /** Single stores whose page was found in the present tables only. */
  long throughSearch() {
    return throughSearch;
  }

  /** Single stores that no page of the guest leads to. */
  long unmapped() {
    return unmapped;
  }

  /** A write reached {@code gpa} through {@code linear}. */
  void saw(@Gva long linear, @Gpa long gpa) {
    recent.add(Addresses.gpaToGfn(gpa), linear);
  }

  /**
   * Has the guest make the stores of a PTSTORE record; everything before must have been added.
   *
   * @return the address of the first, or {@link TableSearch#NOT_FOUND}
   */
  long store(TraceReader reader) {
    cpu.run();
    @Gpa long gpa = reader.physical();
    long found = findRecent(gpa);
    if (found != TableSearch.NOT_FOUND) {
      throughRecent += reader.storeCount();
    } else {
      found = search.find(cpu.vcpu(), gpa, linear -> reaches(linear, gpa));
      if (found != TableSearch.NOT_FOUND) {
        throughSearch += reader.storeCount();
      } else {
        unmapped += reader.storeCount();
      }
    }
    store(reader, found);
    return found;
  }

  private void store(TraceReader reader, long found) {
    int bytes = reader.storeBytes();
    for (int i = 0; i < reader.storeCount(); i++) {
      @Gpa long to = Addresses.advance(reader.physical(), (long) i * bytes);
      if (found == TableSearch.NOT_FOUND) {
        devices.store(to, bytes, reader.value());
      } else {
        @Gva long linear = Addresses.gva(found + (long) i * bytes);
        cpu.store(KERNEL_WRITE, linear, bytes, reader.value(), to, reader.record());
      }
    }
  }

  /** The address that a store to a place would have now; nothing may wait to be run. */
  long find(@Gpa long gpa) {
    long found = findRecent(gpa);
    return found != TableSearch.NOT_FOUND
        ? found
        : search.find(cpu.vcpu(), gpa, linear -> reaches(linear, gpa));
  }

  private long findRecent(@Gpa long gpa) {
    @Gfn long frame = Addresses.gpaToGfn(gpa);
    int known = recent.count(frame);
    for (int age = 0; age < known; age++) {
      @Gva long linear = Addresses.advance(recent.page(frame, age), Addresses.pageOffset(gpa));
      if (reaches(linear, gpa)) {
        return linear;
      }
    }
    return TableSearch.NOT_FOUND;
  }

  private boolean reaches(@Gva long linear, @Gpa long gpa) {
    return WalkResult.place(cpu.vcpu(), linear, KERNEL_WRITE) == gpa;
  }
}
