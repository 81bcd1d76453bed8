// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

/**
 * Where pages of each size go in the first level, for data or for fetches. A record, since the
 * compiler trusts the fields of records that are constants.
 *
 * @param of4K the TLB that 4 KiB pages are in
 * @param of2M the one that 2 and 4 MiB pages are in, as whole pages or splinters
 * @param of1G the one that 1 GiB pages are in, as whole pages or splinters
 * @param kept2M the size that a 2 MiB page is kept as, 1 or 0
 * @param kept1G the size that a 1 GiB page is kept as, 2, 1 or 0
 * @param scan2M whether a search must look for whole 2 MiB pages besides 4 KiB pages
 * @param scan1G whether a search must look for whole 1 GiB pages besides 4 KiB pages
 */
public record FirstLevelPlan(
    Tlb of4K, Tlb of2M, Tlb of1G, int kept2M, int kept1G, boolean scan2M, boolean scan1G) {

  /**
   * One TLB among the entries of all.
   *
   * @param first its first entry
   */
  public record Tlb(int first, int sets, int ways) {
    /** How many entries it has. */
    public int entries() {
      return sets * ways;
    }

    /**
     * Whether a page of the larger size is not where a scan of {@code small} has looked already.
     */
    boolean needsScanAfter(Tlb small) {
      return first != small.first || sets > 1;
    }
  }

  /** The size that a page of a size is kept as. */
  public int kept(int size) {
    return size == 0 ? 0 : size == 1 ? kept2M : kept1G;
  }

  /** The TLB that pages of a size are in. */
  public Tlb of(int size) {
    return size == 0 ? of4K : size == 1 ? of2M : of1G;
  }
}
