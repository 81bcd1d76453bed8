// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationContext;
import dev.quire.api.x86.Translation;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiPredicate;

/** A third party's cache: a map that never evicts and serves nothing by itself. */
class MapCache implements TranslationCache {
  private record Page(int tag, int pcid, long linear, int level, boolean global) {}

  private final Map<Page, Long> pages = new HashMap<>();
  private final TranslationContext context = new TranslationContext();
  int hits;
  int drops;

  private Page page(long access, int level, boolean global) {
    int shift = context.format().shift(level);
    long linear = access << 7 >> 7 >> shift << shift;
    return new Page(context.tag(), global ? -1 : context.pcid(), linear, level, global);
  }

  @Override
  public long lookup(long access) {
    for (int level = 1; level <= 3; level++) {
      for (boolean global : new boolean[] {false, true}) {
        Long found = pages.get(page(access, level, global));
        if (found != null) {
          hits++;
          return found;
        }
      }
    }
    return MISS;
  }

  @Override
  public void drop(long access) {
    drops++;
    for (int level = 1; level <= 3; level++) {
      pages.remove(page(access, level, false));
      pages.remove(page(access, level, true));
    }
  }

  @Override
  public void fill(long access, long translation) {
    boolean global = (translation & Translation.GLOBAL) != 0;
    pages.put(page(access, Translation.level(translation), global), translation);
  }

  @Override
  public void contextChanged(TranslationContext changed) {
    context.set(changed);
  }

  @Override
  public void dropAll() {
    pages.clear();
  }

  private void dropIf(BiPredicate<Page, Long> condition) {
    pages.entrySet().removeIf(each -> condition.test(each.getKey(), each.getValue()));
  }

  @Override
  public void dropTag(int tag) {
    dropIf((page, translation) -> page.tag() == tag);
  }

  @Override
  public void dropNonGlobal() {
    dropIf((page, translation) -> page.tag() == context.tag() && !page.global());
  }

  @Override
  public void dropPcid(int pcid) {
    dropIf((page, translation) -> page.tag() == context.tag() && page.pcid() == pcid);
  }

  @Override
  public void dropPage(int pcid, long linear, boolean globals) {
    dropIf(
        (page, translation) ->
            page.tag() == context.tag()
                && (page.global() ? globals : page.pcid() == pcid)
                && (page.linear() ^ linear) >>> context.format().shift(page.level()) == 0);
  }

  @Override
  public void forEach(EntryVisitor visitor) {
    pages.forEach(
        (page, translation) ->
            visitor.entry(
                "map",
                page.tag(),
                page.pcid(),
                page.linear(),
                context.format().shift(page.level()),
                false,
                translation));
  }
}
