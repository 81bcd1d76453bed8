// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What TLBs hold of one vCPU's: the witness against stale translations. */
final class LiveTranslations {
  /** Every kind of access that the rights rule tells apart. */
  static final List<Long> ACCESSES =
      List.of(
          Access.of(0, false, false),
          Access.of(0, false, true),
          Access.of(Access.WRITE, false, false),
          Access.of(Access.WRITE, false, true),
          Access.of(Access.FETCH, false, false),
          Access.of(0, true, false),
          Access.of(Access.WRITE, true, false),
          Access.of(Access.FETCH, true, false));

  /**
   * An entry that the vCPU could hit.
   *
   * @param where the structure that holds it
   * @param pcid of the address space, meaningless for a global entry
   * @param linear first address of what it covers
   * @param shift log2 of what it covers
   * @param fetch whether only fetches hit it
   * @param translation what it answers
   */
  record Entry(
      String where, int pcid, @Gva long linear, int shift, boolean fetch, long translation) {
    boolean isIn(int space) {
      return (translation & Translation.GLOBAL) != 0 || pcid == space;
    }

    boolean covers(@Gva long address) {
      return (address ^ linear) << 7 >>> 7 >>> shift == 0;
    }

    @Override
    public String toString() {
      return String.format(
          "an entry in the %s: 0x%x + 2^%d -> 0x%x%s%s%s",
          where,
          linear,
          shift,
          Translation.frame(translation),
          (translation & Translation.WRITABLE) != 0 ? " W" : "",
          (translation & Translation.USER) != 0 ? " U" : "",
          (translation & Translation.EXECUTABLE) != 0 ? " X" : "");
    }
  }

  private final Vcpu vcpu;
  private final List<Entry> entries;

  private LiveTranslations(Vcpu vcpu, List<Entry> entries) {
    this.vcpu = vcpu;
    this.entries = entries;
  }

  /** Those that the vCPU could hit now; none in a machine without caching. */
  static LiveTranslations of(Vcpu vcpu) {
    Registers hardware = vcpu.control().registers();
    int pcid = (hardware.cr4 & Cr4.PCIDE) != 0 ? (int) (hardware.cr3 & Cr3.PCID) : 0;
    List<Entry> now = everyAddressSpace(vcpu).stream().filter(entry -> entry.isIn(pcid)).toList();
    return new LiveTranslations(vcpu, now);
  }

  /** Those of every PCID, on the CPU where the vCPU runs: a tag is the vCPU's only there. */
  private static List<Entry> everyAddressSpace(Vcpu vcpu) {
    Machine machine = vcpu.domain().machine();
    TranslationCache cache = machine.cpu(vcpu.number() % machine.cpus()).translationCache();
    List<Entry> found = new ArrayList<>();
    if (cache != null) {
      cache.forEach(
          (where, tag, pcid, linear, shift, fetch, translation) -> {
            if (tag == vcpu.control().tag()) {
              found.add(new Entry(where, pcid, linear, shift, fetch, translation));
            }
          });
    }
    return found;
  }

  /**
   * The entries of any CPU that lead one of a domain's vCPUs to a machine frame.
   *
   * @param toWrite count only those that allow a write
   */
  static List<String> leadingTo(Domain domain, @Mfn long mfn, boolean toWrite) {
    List<String> ways = new ArrayList<>();
    for (int number = 0; number < domain.vcpus(); number++) {
      Vcpu vcpu = domain.vcpu(number);
      for (Entry entry : everyAddressSpace(vcpu)) {
        long first = Translation.frame(entry.translation()) >>> Addresses.PAGE_SHIFT;
        boolean leads = mfn >= first && mfn < first + (1L << entry.shift() - Addresses.PAGE_SHIFT);
        if (leads && (!toWrite || (entry.translation() & Translation.WRITABLE) != 0)) {
          ways.add("vCPU " + number + ": " + entry);
        }
      }
    }
    return ways;
  }

  List<Entry> entries() {
    return entries;
  }

  /** Those that an access to an address could hit. */
  List<Entry> covering(@Gva long linear) {
    return entries.stream().filter(entry -> entry.covers(linear)).toList();
  }

  /**
   * What an entry allows and the guest's tables, as they are now, do not; or where it leads
   * elsewhere. To be asked when the guest has invalidated all that it has changed.
   */
  List<String> beyondGuestRights() {
    List<String> wrongs = new ArrayList<>();
    for (Entry entry : entries) {
      for (long access : ACCESSES) {
        boolean fits = entry.fetch() == ((access & Access.FETCH) != 0);
        if (fits && permits(entry, access)) {
          String wrong = judge(entry, access);
          if (wrong != null) {
            wrongs.add(wrong);
          }
        }
      }
    }
    return wrongs;
  }

  private boolean permits(Entry entry, long access) {
    Registers hardware = vcpu.control().registers();
    PagingRules rules =
        PagingRules.of(
            vcpu.domain().machine().profile(), hardware.cr0, hardware.cr4, hardware.efer);
    int rights = rules == null ? 0 : rules.rights();
    return Rights.permit(entry.translation(), access, rights, hardware.pkru, hardware.pkrs);
  }

  private @Nullable String judge(Entry entry, long access) {
    long guest = vcpu.translate(entry.linear(), access, null);
    if (Translation.isFault(guest)) {
      return String.format(
          "%s allows a %s, which the guest's tables refuse: %s",
          entry, Access.describe(access), Translation.rule(guest));
    }
    long expected = Expectation.machineAddress(vcpu, guest, entry.linear());
    return Translation.frame(entry.translation()) == expected
        ? null
        : String.format("%s, but the guest's tables and the p2m lead to 0x%x", entry, expected);
  }
}
