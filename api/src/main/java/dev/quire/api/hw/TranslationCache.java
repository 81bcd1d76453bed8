// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Gva;
import dev.quire.api.x86.Translation;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * The TLBs of one CPU, all levels of them: what stands between an access and a walk. This is the
 * seam where a third party plugs a cache of its own; the machine's own TLBs use the same one.
 *
 * <p>A cache keeps translations, not verdicts: it answers {@link Translation}s, or tells of hits
 * whose rights it has checked itself in {@link #serve}. What it may keep, and when it must forget,
 * is the architecture's: SDM vol. 3, 4.10. All calls come from the thread that runs the CPU.
 */
@ConsumerType
public interface TranslationCache {
  /** No entry. */
  long MISS = 0;

  /**
   * Tags from here on stand for a VPID and an EPT root together: those of combined mappings (SDM
   * vol. 3, 29.4.1). Which, only the CPU knows.
   */
  int COMBINED_TAGS = 1 << 16;

  /**
   * Serves accesses from {@code from} on, as long as each is a hit that has the rights it needs
   * (and D, if it writes), and writes the machine addresses into {@code reached}. A cache that
   * knows how to do this fast may stop early for any reason; whatever it does not serve comes to
   * {@link #lookup}.
   *
   * @param operations words of {@link Operation}; other than probes are not served
   * @param from first index
   * @param to one past the last index
   * @param reached by index, machine addresses. Unit: bytes
   * @return index of the first operation that was not served
   */
  default int serve(long[] operations, int from, int to, long[] reached) {
    return from;
  }

  /** Brings counts up to date that {@link #serve} has put off; called at the end of each block. */
  default void settle() {}

  /**
   * Whether {@link #serve} would serve this operation, as far as can be told at a glance; the CPU
   * then goes back to {@link #serve}.
   */
  default boolean expects(long operation) {
    return false;
  }

  /**
   * Looks for an access, in all levels, and counts it.
   *
   * @param access flags of {@link dev.quire.api.x86.Access} and the linear address, as in {@link
   *     Operation}
   * @return the translation, or {@link #MISS}
   */
  long lookup(long access);

  /**
   * Drops what {@link #lookup} has just found, because its rights or its D bit do not suffice: the
   * tables are walked again before any fault is raised.
   *
   * @param access as in {@link #lookup}
   */
  void drop(long access);

  /**
   * Keeps the translation of a walk.
   *
   * @param access as in {@link #lookup}
   * @param translation not a fault
   */
  void fill(long access, long translation);

  /**
   * Says that the state which hits depend on is now that of {@code context}; called before first
   * use too.
   */
  void contextChanged(TranslationContext context);

  /** Drops everything. */
  void dropAll();

  /**
   * Drops everything, and with it what decides which entry gives way: the cache is as it was made.
   * Not an event of the model, but what follows training.
   */
  default void reset() {
    dropAll();
  }

  /** Drops everything of one tag (VPID, ASID). */
  void dropTag(int tag);

  /** Drops what is not global, of the current tag. */
  void dropNonGlobal();

  /**
   * Drops what is not global of one PCID, of the current tag.
   *
   * @param pcid process-context identifier
   */
  void dropPcid(int pcid);

  /**
   * Drops the entries of the page that holds an address, of the current tag: those of the PCID and
   * global ones.
   *
   * @param pcid process-context identifier
   * @param linear linear address
   * @param globals whether global entries go too (INVLPG) or may stay (INVPCID type 0)
   */
  void dropPage(int pcid, @Gva long linear, boolean globals);

  /** The translations that the cache holds now, for audits and the staleness oracle. */
  void forEach(EntryVisitor visitor);

  /** Sees entries one by one. */
  @FunctionalInterface
  interface EntryVisitor {
    /**
     * One entry.
     *
     * @param where which structure holds it, for messages
     * @param tag VPID or ASID, or one of {@link #COMBINED_TAGS}
     * @param pcid process-context identifier; meaningless for global entries
     * @param linear first linear address of what the entry covers, sign-extended from 57 bits
     * @param shift log2 of what the entry covers
     * @param fetch whether only fetches can hit it
     * @param translation what it answers
     */
    void entry(
        String where,
        int tag,
        int pcid,
        @Gva long linear,
        int shift,
        boolean fetch,
        long translation);
  }
}
