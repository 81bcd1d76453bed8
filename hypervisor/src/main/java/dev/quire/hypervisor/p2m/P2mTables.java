// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PagingFormat;

/**
 * The tree of one p2m in machine memory. Knows how entries are found, read and written, and how
 * subtrees are made and counted; not what a change entails. Each entry is written by one store.
 */
final class P2mTables {
  private final PhysicalMemory memory;
  private final PagingPool pool;
  private final EntryCodec codec;
  private final TypeRules rules;
  private final P2mSettings settings;
  private final int levels;
  private final int indexBits;
  private final int width;
  private final @Mfn long root;
  private long frames = 1;

  /**
   * A tree of one empty table.
   *
   * @param root the table, zeroed, out of {@code pool}
   */
  P2mTables(
      PhysicalMemory memory,
      PagingPool pool,
      EntryCodec codec,
      TypeRules rules,
      P2mSettings settings,
      @Mfn long root) {
    this.memory = memory;
    this.pool = pool;
    this.codec = codec;
    this.rules = rules;
    this.settings = settings;
    PagingFormat shape = settings.shape();
    this.levels = shape.levels();
    this.indexBits = shape.indexBits();
    this.width = shape.linearBits() - Addresses.PAGE_SHIFT;
    this.root = root;
  }

  EntryCodec codec() {
    return codec;
  }

  P2mSettings settings() {
    return settings;
  }

  @Mfn
  long root() {
    return root;
  }

  int levels() {
    return levels;
  }

  /** How many tables there are, those included that wait for a flush. */
  long frames() {
    return frames;
  }

  /** log2 of how many guest frames there can be. */
  int width() {
    return width;
  }

  /** How many frames an entry of a level covers. */
  long covers(int level) {
    return 1L << indexBits * (level - 1);
  }

  /** How many entries a table of a level has. */
  int entries(int level) {
    return settings.shape().entries(level);
  }

  private int index(@Gfn long gfn, int level) {
    return (int) (gfn >>> indexBits * (level - 1)) & (1 << indexBits) - 1;
  }

  /**
   * What a guest frame is, with what is pending applied. The hot path: no allocation, no call that
   * is not inlined.
   */
  long get(@Gfn long gfn) {
    if (gfn >>> width != 0) {
      return codec.hole(levels);
    }
    @Mfn long table = root;
    boolean retyped = false;
    for (int level = levels; ; level--) {
      long entry = memory.frameToRead(table)[index(gfn, level)];
      retyped |= codec.isRetyped(entry);
      if (!codec.isTable(entry, level)) {
        return mapping(entry, gfn, level, retyped);
      }
      table = EntryCodec.tableOf(entry);
    }
  }

  /** What an entry that is no table says of a frame in it. */
  long mapping(long entry, @Gfn long gfn, int level, boolean retyped) {
    long what = codec.decode(entry, gfn & covers(level) - 1, level);
    int type = EntryCodec.type(entry);
    return retyped && entry != EntryCodec.EMPTY && TypeRules.isChangeable(type)
        ? P2mEntry.withType(what, rules.recalculated(type, gfn))
        : what;
  }

  /** The entry of a table that leads to a frame, or is it. */
  @Maddr
  long slot(@Mfn long table, @Gfn long gfn, int level) {
    return slotAt(table, index(gfn, level));
  }

  @Maddr
  long slotAt(@Mfn long table, int index) {
    return Addresses.mfnToMaddr(table, (long) index << 3);
  }

  /**
   * The level of the deepest entry on the way to a frame that is not below {@code level}.
   *
   * @see #slotOf
   */
  int deepest(@Gfn long gfn, int level) {
    @Mfn long table = root;
    for (int at = levels; ; at--) {
      long entry = read(slot(table, gfn, at));
      if (at == level || !codec.isTable(entry, at)) {
        return at;
      }
      table = EntryCodec.tableOf(entry);
    }
  }

  /** The entry of a level on the way to a frame; all above it are tables. */
  @Maddr
  long slotOf(@Gfn long gfn, int level) {
    @Mfn long table = root;
    for (int at = levels; at > level; at--) {
      table = EntryCodec.tableOf(read(slot(table, gfn, at)));
    }
    return slot(table, gfn, level);
  }

  long read(@Maddr long slot) {
    return memory.load(slot, Long.BYTES);
  }

  void write(@Maddr long slot, long entry) {
    memory.store(slot, Long.BYTES, entry);
  }

  /** Replaces an entry if nobody, hardware with A and D included, has changed it meanwhile. */
  boolean replace(@Maddr long slot, long expected, long entry) {
    return memory.compareExchange(slot, Long.BYTES, expected, entry) == expected;
  }

  /**
   * A table, empty and not yet reachable.
   *
   * @return {@link PagingPool#NONE} if the pool is used up
   */
  @Mfn
  long newTable() {
    @Mfn long table = pool.allocate();
    frames += table == PagingPool.NONE ? 0 : 1;
    return table;
  }

  /** Frees a table that hardware cannot reach any more. */
  void free(@Mfn long table) {
    frames--;
    pool.free(table);
  }

  /**
   * Makes the subtree that shall stand in the place of an entry: like that entry everywhere but on
   * the way to a frame, where {@code leaf} stands. Nothing of it is reachable yet, so that one
   * write puts all of it in force.
   *
   * @param old the entry whose place it takes, no table
   * @param from its level
   * @param to the level of {@code leaf}, below {@code from}
   * @return the entry for the place, or {@link EntryCodec#EMPTY} if the pool is used up; then it is
   *     as before the call
   */
  long subtree(long old, @Gfn long gfn, int from, int to, long leaf) {
    @Mfn long table = newTable();
    if (table == PagingPool.NONE) {
      return EntryCodec.EMPTY;
    }
    int level = from - 1;
    long mine = leaf;
    if (level > to) {
      mine = subtree(part(old, gfn, from), gfn, level, to, leaf);
      if (mine == EntryCodec.EMPTY) {
        free(table);
        return EntryCodec.EMPTY;
      }
    }
    fill(table, old, gfn, level);
    write(slot(table, gfn, level), mine);
    return codec.table(table);
  }

  /**
   * Makes the table that holds a mapping in parts one level down.
   *
   * @return the entry for its place, or {@link EntryCodec#EMPTY} if the pool is used up
   */
  long split(long old, @Gfn long gfn, int level) {
    @Mfn long table = newTable();
    if (table == PagingPool.NONE) {
      return EntryCodec.EMPTY;
    }
    fill(table, old, gfn, level - 1);
    return codec.table(table);
  }

  /** Fills a table of {@code level} with the parts of a mapping of the level above. */
  private void fill(@Mfn long table, long old, @Gfn long gfn, int level) {
    if (old == EntryCodec.EMPTY) {
      return;
    }
    @Gfn long first = Addresses.alignDown(gfn, covers(level + 1));
    for (int i = 0; i < entries(level); i++) {
      @Gfn long each = Addresses.advance(first, i * covers(level));
      write(slotAt(table, i), part(old, each, level + 1));
    }
  }

  /** What a mapping becomes, one level down, for the part of it that a frame lies in. */
  long part(long old, @Gfn long gfn, int level) {
    if (old == EntryCodec.EMPTY) {
      return EntryCodec.EMPTY;
    }
    long covered = covers(level - 1);
    @Gfn long first = Addresses.alignDown(gfn, covered);
    long what = codec.decode(old, first & covers(level) - 1, level);
    long entry = codec.encode(what, first, covered, level - 1);
    return codec.isPending(old) ? codec.mark(entry, codec.isRetyped(old)) : entry;
  }

  /** The same several levels down. */
  long part(long old, @Gfn long gfn, int from, int to) {
    long entry = old;
    for (int level = from; level > to; level--) {
      entry = part(entry, gfn, level);
    }
    return entry;
  }

  /** Told of every mapping in a part of the tree. */
  @FunctionalInterface
  interface Visitor {
    /**
     * One mapping, which may be of nothing.
     *
     * @param entry as it stands
     * @param retyped whether its type may be out of date
     */
    void mapping(@Gfn long first, int level, long entry, boolean retyped);
  }

  /** Visits the mappings below an entry in ascending order; the entry itself, if it is one. */
  void visit(@Gfn long first, int level, long entry, boolean retyped, Visitor visitor) {
    boolean mine = retyped || codec.isRetyped(entry);
    if (!codec.isTable(entry, level)) {
      visitor.mapping(first, level, entry, mine);
      return;
    }
    @Mfn long table = EntryCodec.tableOf(entry);
    for (int i = 0; i < entries(level - 1); i++) {
      @Gfn long each = Addresses.advance(first, i * covers(level - 1));
      visit(each, level - 1, read(slotAt(table, i)), mine, visitor);
    }
  }

  /** Visits every mapping there is. */
  void visitAll(Visitor visitor) {
    for (int i = 0; i < entries(levels); i++) {
      @Gfn long each = Addresses.gfn(i * covers(levels));
      visit(each, levels, read(slotAt(root, i)), false, visitor);
    }
  }

  /** Calls back for every table below an entry, the lowest first. */
  void forEachTable(int level, long entry, TableVisitor visitor) {
    if (!codec.isTable(entry, level)) {
      return;
    }
    @Mfn long table = EntryCodec.tableOf(entry);
    for (int i = 0; i < entries(level - 1) && level > 2; i++) {
      forEachTable(level - 1, read(slotAt(table, i)), visitor);
    }
    visitor.table(table);
  }

  /** Told of tables. */
  @FunctionalInterface
  interface TableVisitor {
    void table(@Mfn long table);
  }

  /**
   * Frees tables, the lowest first and the root last.
   *
   * @param budget how many at most
   * @return whether all are freed
   */
  boolean freeAll(long budget) {
    if (frames == 0) {
      return true;
    }
    long left = freeBelow(root, levels, budget);
    if (left == 0) {
      return false;
    }
    free(root);
    return true;
  }

  private long freeBelow(@Mfn long table, int level, long budget) {
    long left = budget;
    for (int i = 0; i < entries(level) && left > 0; i++) {
      @Maddr long slot = slotAt(table, i);
      long entry = read(slot);
      if (codec.isTable(entry, level)) {
        left = freeBelow(EntryCodec.tableOf(entry), level - 1, left);
        if (left > 0) {
          write(slot, EntryCodec.EMPTY);
          free(EntryCodec.tableOf(entry));
          left--;
        }
      }
    }
    return left;
  }
}
