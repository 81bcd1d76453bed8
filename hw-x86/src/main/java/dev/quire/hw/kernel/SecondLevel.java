// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.TranslationCache.EntryVisitor;
import dev.quire.api.x86.PagingFormat;

/** The second-level TLBs of one CPU, for all sizes of pages. */
public abstract class SecondLevel {
  /**
   * Looks for a page.
   *
   * @param probe a first-level key
   * @return the translation, or 0
   */
  public abstract long find(long probe);

  /** Keeps a translation that is not there. */
  public abstract void put(long probe, long translation);

  /** Drops the page of a probe, of its PCID and global. */
  public abstract void drop(long probe);

  /** Says which sizes pages have. */
  public abstract void format(PagingFormat format);

  /** Drops everything. */
  public abstract void dropAll();

  /** Drops everything and is as it was made. */
  public abstract void reset();

  /** Drops what has the VPID of {@code space}: all of it, or what is not global. */
  public abstract void dropVpid(long space, boolean globals);

  /** Drops what is not global and has the VPID and PCID of {@code space}. */
  public abstract void dropSpace(long space);

  /** Drops the page that holds an address, of any size and as whatever splinters it is kept. */
  public abstract void dropPage(long linear, long space, boolean globals);

  /** Shows every entry. */
  public abstract void forEach(AddressSpaces spaces, EntryVisitor visitor);
}
