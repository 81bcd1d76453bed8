// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Rights;

/**
 * What a {@link TranslationCache} depends on besides the access: which address space is current and
 * which state the rights rule reads. Written by the CPU, read by the cache.
 */
public final class TranslationContext {
  private PagingFormat format = PagingFormat.FOUR_LEVEL;
  private int tag;
  private int pcid;
  private int rights;
  private int pkru;
  private int pkrs;
  private long privilege;

  /**
   * Sets everything.
   *
   * @param format of the tables that translations come from
   * @param tag VPID or ASID
   * @param pcid process-context identifier, 0 without CR4.PCIDE
   * @param rights flags of {@link Rights}
   * @param pkru the register
   * @param pkrs the register
   * @param privilege flags of {@link dev.quire.api.x86.Access} that every access has in hardware
   */
  public void set(
      PagingFormat format, int tag, int pcid, int rights, int pkru, int pkrs, long privilege) {
    this.format = format;
    this.tag = tag;
    this.pcid = pcid;
    this.rights = rights;
    this.pkru = pkru;
    this.pkrs = pkrs;
    this.privilege = privilege;
  }

  /** Takes everything from {@code other}. */
  public void set(TranslationContext other) {
    set(other.format, other.tag, other.pcid, other.rights, other.pkru, other.pkrs, other.privilege);
  }

  /** The format of the tables. */
  public PagingFormat format() {
    return format;
  }

  /** VPID or ASID. */
  public int tag() {
    return tag;
  }

  /** The process-context identifier. */
  public int pcid() {
    return pcid;
  }

  /** Flags of {@link Rights}. */
  public int rights() {
    return rights;
  }

  /** PKRU. */
  public int pkru() {
    return pkru;
  }

  /** IA32_PKRS. */
  public int pkrs() {
    return pkrs;
  }

  /**
   * Flags that every access has in hardware: {@code USER} where the guest's kernel runs at CPL 3.
   */
  public long privilege() {
    return privilege;
  }

  /**
   * Whether what decides how a cached translation is matched is as in another context: format,
   * rights and keys.
   */
  public boolean hasRulesOf(TranslationContext other) {
    return rights == other.rights
        && pkru == other.pkru
        && pkrs == other.pkrs
        && format.equals(other.format);
  }

  /** The rights rule, in this context. */
  public boolean permits(long translation, long access) {
    return Rights.permit(translation, access | privilege, rights, pkru, pkrs);
  }
}
