// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

/**
 * What a CPU counts. Each is counted once, where it happens; the names are the field's. Sizes are
 * those of the page tables: 2M stands for 4M with 2-level paging.
 */
public enum HwEvent {
  /** Accesses translated with paging on: probes and data accesses, each once per page touched. */
  ACCESSES("accesses", "accesses", "each access that ended in a physical address"),
  /** Accesses with paging off. */
  UNPAGED_ACCESSES("accesses-unpaged", "accesses", "each access with CR0.PG = 0"),
  /** Hits in the first-level data TLB, 4 KiB pages. */
  L1D_HITS_4K("l1d-hits-4k", "accesses", "first-level lookup"),
  /** Hits in the first-level data TLB, 2 and 4 MiB pages. */
  L1D_HITS_2M("l1d-hits-2m", "accesses", "first-level lookup"),
  /** Hits in the first-level data TLB, 1 GiB pages. */
  L1D_HITS_1G("l1d-hits-1g", "accesses", "first-level lookup"),
  /** Hits in the first-level instruction TLB, 4 KiB pages. */
  L1I_HITS_4K("l1i-hits-4k", "accesses", "first-level lookup"),
  /** Hits in the first-level instruction TLB, 2 and 4 MiB pages. */
  L1I_HITS_2M("l1i-hits-2m", "accesses", "first-level lookup"),
  /** Hits in the first-level instruction TLB, 1 GiB pages. */
  L1I_HITS_1G("l1i-hits-1g", "accesses", "first-level lookup"),
  /** Data accesses that missed the first level. */
  L1D_MISSES("l1d-misses", "accesses", "first-level lookup"),
  /** Fetches that missed the first level. */
  L1I_MISSES("l1i-misses", "accesses", "first-level lookup"),
  /** First-level misses that the second level served, 4 KiB pages. */
  L2_HITS_4K("l2-hits-4k", "accesses", "second-level lookup"),
  /** First-level misses that the second level served, 2 and 4 MiB pages. */
  L2_HITS_2M("l2-hits-2m", "accesses", "second-level lookup"),
  /** First-level misses that the second level served, 1 GiB pages. */
  L2_HITS_1G("l2-hits-1g", "accesses", "second-level lookup"),
  /** Accesses that missed both levels. */
  L2_MISSES("l2-misses", "accesses", "second-level lookup"),
  /**
   * Hits whose rights or D bit did not suffice: the entry was dropped and the tables walked again.
   */
  RIGHTS_REWALKS("rights-rewalks", "accesses", "rights check of a hit"),
  /** Walks begun by the hardware. */
  WALKS("walks", "walks", "walker"),
  /** Walks that ended in a translation of a 4 KiB page. */
  WALKS_TO_4K("walks-4k", "walks", "walker"),
  /** Walks that ended in a translation of a 2 or 4 MiB page. */
  WALKS_TO_2M("walks-2m", "walks", "walker"),
  /** Walks that ended in a translation of a 1 GiB page. */
  WALKS_TO_1G("walks-1g", "walks", "walker"),
  /** Entries read at level 1. */
  REFERENCES_1("references-level-1", "references", "walker"),
  /** Entries read at level 2. */
  REFERENCES_2("references-level-2", "references", "walker"),
  /** Entries read at level 3; PDPTE registers do not count. */
  REFERENCES_3("references-level-3", "references", "walker"),
  /** Entries read at level 4. */
  REFERENCES_4("references-level-4", "references", "walker"),
  /** Entries read at level 5. */
  REFERENCES_5("references-level-5", "references", "walker"),
  /** Walks that began at a level-1 table by the PDE cache. */
  PSC_HITS_2("psc-hits-pde", "walks", "paging-structure caches"),
  /** Walks that began at a level-2 table by the PDPTE cache. */
  PSC_HITS_3("psc-hits-pdpte", "walks", "paging-structure caches"),
  /** Walks that began at a level-3 table by the PML4E cache. */
  PSC_HITS_4("psc-hits-pml4e", "walks", "paging-structure caches"),
  /** Walks that began at a level-4 table by the PML5E cache. */
  PSC_HITS_5("psc-hits-pml5e", "walks", "paging-structure caches"),
  /** A bits set by the walker. */
  ACCESSED_SET("accessed-set", "entries", "A/D assist"),
  /** D bits set by the walker. */
  DIRTY_SET("dirty-set", "entries", "A/D assist"),
  /** Walks begun again because another CPU changed an entry under an A/D update. */
  ASSIST_RETRIES("assist-retries", "walks", "A/D assist"),
  /** Page faults raised, delivered or intercepted. */
  PAGE_FAULTS("page-faults", "faults", "walker"),
  /** General-protection faults: addresses that are not canonical, register writes. */
  GENERAL_PROTECTION("general-protection", "faults", "access or register write"),
  /** MOV to CR3 executed. */
  CR3_LOADS("cr3-loads", "instructions", "MOV to CR3"),
  /** INVLPG executed. */
  INVLPG("invlpg", "instructions", "INVLPG"),
  /** INVPCID executed. */
  INVPCID("invpcid", "instructions", "INVPCID"),
  /** Flushes of everything, global entries too. */
  FLUSHES_ALL("flushes-all", "flushes", "CR0, CR4 or EFER write, INVPCID 2, shootdown"),
  /** Flushes of what is not global. */
  FLUSHES_NON_GLOBAL("flushes-non-global", "flushes", "MOV to CR3 without PCIDs, INVPCID 3"),
  /** Flushes of one PCID. */
  FLUSHES_PCID("flushes-pcid", "flushes", "MOV to CR3 with PCIDs, INVPCID 1"),
  /** Flushes of one address. */
  FLUSHES_ADDRESS("flushes-address", "flushes", "INVLPG, INVPCID 0"),
  /** MOV to CR3 that kept the entries of its PCID (bit 63). */
  CR3_NO_FLUSH("cr3-loads-no-flush", "instructions", "MOV to CR3 with bit 63"),
  /** Nested walks: guest-physical addresses that no nested TLB translated. */
  NESTED_WALKS("nested-walks", "walks", "second dimension"),
  /** Guest-physical addresses that the nested TLB translated. */
  NESTED_TLB_HITS("nested-tlb-hits", "translations", "second dimension"),
  /** Nested walks that began at a level-1 table by the nested PDE cache. */
  NESTED_PSC_HITS_2("nested-psc-hits-pde", "walks", "nested paging-structure caches"),
  /** Nested walks that began at a level-2 table by the nested PDPTE cache. */
  NESTED_PSC_HITS_3("nested-psc-hits-pdpte", "walks", "nested paging-structure caches"),
  /** Nested walks that began at a level-3 table by the nested PML4E cache. */
  NESTED_PSC_HITS_4("nested-psc-hits-pml4e", "walks", "nested paging-structure caches"),
  /** Nested walks that began at a level-4 table by the nested PML5E cache. */
  NESTED_PSC_HITS_5("nested-psc-hits-pml5e", "walks", "nested paging-structure caches"),
  /** A bits set in nested entries. */
  NESTED_ACCESSED_SET("nested-accessed-set", "entries", "nested A/D assist"),
  /** D bits set in nested entries. */
  NESTED_DIRTY_SET("nested-dirty-set", "entries", "nested A/D assist"),
  /** Addresses written into the page-modification log. */
  PML_LOGGED("pml-logged", "entries", "nested A/D assist"),
  /** Nested page faults and EPT violations. */
  NESTED_FAULTS("nested-faults", "exits", "second dimension"),
  /** EPT misconfigurations. */
  EPT_MISCONFIGURATIONS("ept-misconfigurations", "exits", "second dimension"),
  /** Exits for a full page-modification log. */
  PML_FULL_EXITS("pml-full", "exits", "nested A/D assist"),
  /** INVEPT executed, of any type. */
  INVEPT("invept", "instructions", "hypervisor"),
  /** INVVPID executed, of any type. */
  INVVPID("invvpid", "instructions", "hypervisor"),
  /** INVLPGA executed. */
  INVLPGA("invlpga", "instructions", "hypervisor");

  private final String title;
  private final String unit;
  private final String where;

  HwEvent(String title, String unit, String where) {
    this.title = title;
    this.unit = unit;
    this.where = where;
  }

  /** The name in reports and in JSON. */
  public String title() {
    return title;
  }

  /** What is counted. */
  public String unit() {
    return unit;
  }

  /** Where it is counted. */
  public String where() {
    return where;
  }
}
