// SPDX-License-Identifier: Apache-2.0
// The machine's own model and checks in C: sparse memory, reserved bits, all rights, faults with
// error codes, global pages and large ones, A and D by compare-and-exchange, counters by level and
// size, and the column of machine addresses. What is left to the machine besides is that it can be
// configured.
//
//   cc -O3 -march=native [-DPREFETCH] same.c -o same; ./same STREAM PASSES
#include "cache.h"
#include "memory.h"
#include "rules.h"

// ---- geometry: 64 x 4 for data and for fetches, 1536 x 12, PSCs 4x8, 2x4, 1x4 ----

#define L1_SETS 16
#define L1_WAYS 4
#define L1_ENTRIES (2 * L1_SETS * L1_WAYS)
#define L2 128, 12
#define PDES 4, 8
#define PDPTES 2, 4
#define PML4ES 1, 4

#define BUDGET 4096

// ---- counters ----

static struct {
  u64 accesses, l1_hits[2][3], l1_misses[2], l2_hits[3], l2_misses, rewalks;
  u64 walks, walks_to[3], references[5], psc_hits[5], accessed_set, dirty_set, retries;
  u64 page_faults, general_protection;
} counted;

// ---- keys: an operation whose offset gives way to VPID and PCID ----

#define PCID 0x3full
#define VPID (0x3full << 6)
#define SPACE (VPID | PCID)
#define NEVER (1ull << 57)
#define SPECIAL (7ull << 57)
#define PAGE (ADDRESS & ~0xfffull)
#define PRESENT (PAGE | SPACE | FETCH)

static u64 space = 1 << 6 | 1;  // the current one

INLINE u64 key_2(u64 linear, int shift, u64 of_space) {
  return (linear & ADDRESS) >> shift | of_space << 47;
}

// ---- rights as a ternary match ----

// Care by rights of a translation, size and whether it is for fetches; and by key.
static u64 care_by_rights[2][128], care_by_key[2][16];

static u64 care_of_rights(int rights, int fetch) {
  int user = (rights & T_USER) != 0;
  u64 care = FETCH | SPECIAL | VPID | PAGE | (rights & T_GLOBAL ? 0 : PCID);
  care &= ~NEVER;
  if (fetch && !(rights & T_EXECUTABLE)) return care | NEVER;
  if (fetch) return care | WRITE | (user && !now.smep ? 0 : USER);
  u64 writable = T_WRITABLE | T_DIRTY;
  return care | (!user ? USER : now.smap ? SMAP_EXEMPT : 0) |
         ((rights & writable) == writable ? 0 : WRITE);
}

static void care_init(void) {
  for (int fetch = 0; fetch < 2; fetch++) {
    for (int i = 0; i < 128; i++) care_by_rights[fetch][i] = care_of_rights(i, fetch);
  }
  for (int key = 0; now.user_keys && key < 16; key++) {
    unsigned denied = now.pkru >> (2 * key) & 3;
    care_by_key[1][key] = denied & 1 ? NEVER : denied ? WRITE : 0;
  }
}

// The bits of a probe that a translation cares about, and what they must be: a match is a
// permission, D for a write included; a mismatch decides nothing.
INLINE u64 care_of(u64 leaf, int fetch) {
  u64 by_key = care_by_key[(leaf & T_USER) != 0][leaf >> T_KEY_SHIFT & 15];
  return care_by_rights[fetch][leaf & 127] | (fetch ? 0 : by_key);
}

INLINE u64 rights_key(u64 leaf, u64 care) {
  return care & ((leaf & T_USER ? USER | SMAP_EXEMPT : 0) | NEVER);
}

// The rights rule without a branch for each kind of access, which nobody could predict.
INLINE int suffices_fast(u64 leaf, u64 access) {
  u64 care = care_of(leaf, access >> 63);
  u64 rights = WRITE | USER | SMAP_EXEMPT | NEVER;
  if (LIKELY(((access ^ rights_key(leaf, care)) & care & rights) == 0)) return 1;
  return suffices(leaf, access);
}

// ---- walk ----

// What is known above a level: frame of the table, RW and US of all entries, A of all, and
// TABLE_EXECUTABLE if none has NX. Below the last level stands a translation.
#define TABLE_EXECUTABLE 1ull
#define CARRIED (RW | US | A | TABLE_EXECUTABLE)
#define NEEDS_ACCESSED (1ull << 62)
#define RETRY (NEEDS_ACCESSED | 1ull << 61)

static struct cache pdes, pdptes, pml4es;

#ifdef PREFETCH
#define AHEAD 8
static u64 *table_hint[1024];  // by linear address bits 30..21: the page table used last
#endif

INLINE int is_page_or_fault(u64 below) { return (below & (T_PRESENT | FAULT)) != 0; }

INLINE int index_of(u64 linear, int level) { return (linear >> (12 + 9 * (level - 1))) & 511; }

// One entry: what is below it, given what is above.
INLINE u64 step(u64 above, u64 entry, int level, u64 access) {
  if (UNLIKELY(!(entry & P))) return fault_not_present(access);
  int page = level == 1 || entry & now.page_size[level];
  u64 reserved = page ? now.page_reserved[level] : now.table_reserved[level];
  if (UNLIKELY(entry & reserved)) return fault_reserved(access);
  u64 carried = ((entry & (RW | US | A)) | (~entry >> 63)) & above;
  if (!page) return (entry & FRAME) | carried;
  u64 frame = entry & FRAME & -(1ull << (12 + 9 * (level - 1)));
  u64 key = now.user_keys ? (entry >> ENTRY_KEY_SHIFT & 15) << T_KEY_SHIFT : 0;
  u64 global = now.global_pages ? (entry & G) >> 5 : 0;
  u64 rights = (carried & (RW | US)) >> 1 | (carried & TABLE_EXECUTABLE) << 2;
  return frame | T_PRESENT | key | (u64)(level - 1) << T_SIZE_SHIFT | (entry & D) >> 2 | global |
         rights | (~carried & A) << (62 - 5);
}

// From the root, and on the way back from success A and D. Entries from level `known` up have been
// read just now on the same way and do not count again.
static u64 descend(u64 above, int level, u64 access, int known) {
  counted.references[level] += level < known;
  u64 *at = frame_to_read((above & FRAME) >> 12) + index_of(access, level);
  u64 entry = __atomic_load_n(at, __ATOMIC_RELAXED);
  u64 below = step(above, entry, level, access);
  int page = (below & T_PRESENT) != 0 && !(below & FAULT);
  if (below & FAULT) return below;
  u64 result = page ? checked(below, access) : descend(below, level - 1, access, known);
  if (result & FAULT || result == RETRY) return result;
  int dirty = page && access & WRITE;
  u64 missing = (A | (dirty ? D : 0)) & ~entry;
  if (missing && home((above & FRAME) >> 12)) {
    if (!__atomic_compare_exchange_n(at, &entry, entry | missing, 0, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED)) {
      return RETRY;
    }
    counted.accessed_set += missing / A & 1;
    counted.dirty_set += missing / D;
  }
  return (result & ~NEEDS_ACCESSED) | (dirty ? T_DIRTY : 0);
}

OUTLINE u64 walk_from_root(u64 access, int known) {
  u64 root = (now.root & FRAME) | CARRIED, result;
  while ((result = descend(root, 4, access, known)) == RETRY) counted.retries++;
  if (!(result & FAULT)) counted.walks_to[t_size(result)]++;
  return result;
}

// How far a fast walk has come.
struct progress {
  int entered;  // by way of a cached entry
  int level;    // of the last entry read
};

INLINE u64 load(u64 above, int level, u64 access, struct progress *p) {
  u64 *table = frame_to_read((above & FRAME) >> 12);
#ifdef PREFETCH
  if (level == 1) table_hint[(access >> 21) & 1023] = table;
#endif
  counted.references[level]++;
  p->level = level;
  return __atomic_load_n(table + index_of(access, level), __ATOMIC_RELAXED);
}

// One step below a table; the result goes into the cache of its level. What is refused or has A = 0
// ends the fast walk.
INLINE u64 through(u64 above, int level, u64 access, struct cache *c, int sets, int ways,
                   struct progress *p) {
  if (UNLIKELY(is_page_or_fault(above))) return above;
  u64 entry = load(above, level, access, p);
  u64 below = step(above, entry, level, access);
  if (is_page_or_fault(below)) return below;
  if (UNLIKELY(!(entry & A))) return FAULT;
  cache_put(c, key_2(access, 12 + 9 * (level - 1), space), below, sets, ways);
  return below;
}

INLINE u64 entering(int level, u64 value, struct progress *p) {
  counted.psc_hits[level]++;
  p->entered = 1;
  return value;
}

// What is known of the table of each level, by way of the caches.
INLINE u64 table_3(u64 access, struct progress *p) {
  int slot = cache_find(&pml4es, key_2(access, 39, space), PML4ES);
  if (slot >= 0) return entering(4, pml4es.value[slot], p);
  return through((now.root & FRAME) | CARRIED, 4, access, &pml4es, PML4ES, p);
}

INLINE u64 table_2(u64 access, struct progress *p) {
  int slot = cache_find(&pdptes, key_2(access, 30, space), PDPTES);
  if (slot >= 0) return entering(3, pdptes.value[slot], p);
  return through(table_3(access, p), 3, access, &pdptes, PDPTES, p);
}

INLINE u64 table_1(u64 access, struct progress *p) {
  int slot = cache_find(&pdes, key_2(access, 21, space), PDES);
  if (slot >= 0) return entering(2, pdes.value[slot], p);
  return through(table_2(access, p), 2, access, &pdes, PDES, p);
}

// As low as the paging-structure caches allow; whatever must be written or refused goes to the
// walk from the root.
OUTLINE u64 walk(u64 access) {
  counted.walks++;
  u64 linear = (u64)((int64_t)(access << 7) >> 7);
  if (UNLIKELY((u64)((int64_t)(linear << 16) >> 16) != linear)) return FAULT | 1ull << 32;  // #GP
  struct progress p = {0, 4};
  u64 result = table_1(access, &p);
  if (LIKELY(!is_page_or_fault(result))) result = step(result, load(result, 1, access, &p), 1, access);
  if (LIKELY(!(result & (FAULT | NEEDS_ACCESSED)) && suffices_fast(result, access))) {
    counted.walks_to[t_size(result)]++;
    return result;
  }
  return walk_from_root(access, p.entered ? 5 : p.level);
}

// ---- second level: pages larger than 4 KiB are kept in splinters ----

static struct cache second;
static int globals;  // whether any was ever kept

INLINE u64 second_find(u64 probe) {
  int slot = cache_find(&second, key_2(probe, 12, probe & SPACE), L2);
  if (slot < 0 && globals) slot = cache_find(&second, key_2(probe, 12, probe & VPID), L2);
  return slot < 0 ? 0 : second.value[slot];
}

INLINE void second_put(u64 probe, u64 translation) {
  int global = (translation & T_GLOBAL) != 0;
  globals |= global;
  cache_put(&second, key_2(probe, 12, probe & (global ? VPID : SPACE)), translation, L2);
}

static void second_drop(u64 probe) {
  cache_drop(&second, key_2(probe, 12, probe & SPACE), L2);
  cache_drop(&second, key_2(probe, 12, probe & VPID), L2);
}

// ---- first level ----

struct entry {
  u64 key;    // what the bits of a probe that count must be
  u64 care;   // the bits that count
  u64 time;   // of last use
  u64 delta;  // from the linear to the machine address
  u64 leaf;   // the translation; 0 if free
  u64 lane;   // what a hit adds to the word of counts
  u64 unused[2];
};

#define LANE_BITS 12
#define MOST_AT_ONCE ((1 << LANE_BITS) - 1)
#define LANES 6

static struct entry first[L1_ENTRIES] __attribute__((aligned(64)));
static uint16_t filter[4096];  // by low bits of the page number: the entry used last
static u64 clock_of_uses = 1;

static void first_init(void) {
  for (int i = 0; i < L1_ENTRIES; i++) first[i].care = ~0ull;
}

INLINE u64 probe_of(u64 operation) {
  u64 probe = (operation & ~0xfffull) | space;
  __asm__("" : "+r"(probe));  // now, and not after the key has come from memory
  return probe;
}

INLINE u64 differs(u64 probe, const struct entry *e) { return (probe ^ e->key) & e->care; }

INLINE struct entry *set_of(u64 probe) {
  return first + ((probe >> 63) * L1_SETS + ((probe >> 12) & (L1_SETS - 1))) * L1_WAYS;
}

INLINE struct entry *find(u64 probe) {
  struct entry *set = set_of(probe), *found = 0;
  for (int way = 0; way < L1_WAYS; way++) {
    if ((differs(probe, set + way) & PRESENT) == 0) found = set + way;
  }
  return found;
}

INLINE struct entry *oldest(struct entry *set) {
  u64 a = set[0].time << 2, b = set[1].time << 2 | 1;
  u64 c = set[2].time << 2 | 2, d = set[3].time << 2 | 3;
  a = a < b ? a : b;
  c = c < d ? c : d;
  return set + ((a < c ? a : c) & 3);
}

INLINE void use(struct entry *e, u64 probe) {
  e->time = clock_of_uses++;
  filter[(probe >> 12) & 4095] = e - first;
}

INLINE void first_fill(u64 probe, u64 leaf) {
  int fetch = probe >> 63, lane = 3 * fetch + t_size(leaf);
  struct entry *e = oldest(set_of(probe));
  u64 care = care_of(leaf, fetch);
  e->key = (probe & care & PRESENT) | rights_key(leaf, care);
  e->care = care;
  e->leaf = leaf;
  e->lane = lane == 0 ? 0 : 1ull << (LANE_BITS * (lane - 1));
  e->delta = t_address(leaf, probe & PAGE) - (probe & PAGE);
  use(e, probe);
}

// ---- an access that the filter did not settle ----

INLINE u64 lookup(u64 probe) {
  int fetch = probe >> 63;
  struct entry *e = find(probe);
  if (e) {
    use(e, probe);
    counted.l1_hits[fetch][t_size(e->leaf)]++;
    return e->leaf;
  }
  counted.l1_misses[fetch]++;
  u64 leaf = second_find(probe);
  if (!leaf) {
    counted.l2_misses++;
    return 0;
  }
  counted.l2_hits[t_size(leaf)]++;
  first_fill(probe, leaf);
  return leaf;
}

// A page fault invalidates what is cached for its address.
OUTLINE void drop_faulting(u64 access) {
  for (int fetch = 0; fetch < 2; fetch++) {
    u64 probe = (probe_of(access) & ~FETCH) | (fetch ? FETCH : 0);
    struct entry *e = find(probe);
    if (e) *e = (struct entry){.care = ~0ull};
    second_drop(probe);
  }
  cache_drop(&pdes, key_2(access, 21, space), PDES);
  cache_drop(&pdptes, key_2(access, 30, space), PDPTES);
  cache_drop(&pml4es, key_2(access, 39, space), PML4ES);
}

// Answers the machine address or a fault.
OUTLINE u64 one(u64 access) {
  u64 probe = probe_of(access);
  u64 leaf = lookup(probe);
  if (leaf) {
    if (LIKELY(suffices_fast(leaf, access))) return t_address(leaf, access);
    struct entry *e = find(probe);
    if (e) *e = (struct entry){.care = ~0ull};
    second_drop(probe);
    counted.rewalks++;
  }
  leaf = walk(access);
  if (UNLIKELY(leaf & FAULT)) return leaf;
  second_put(probe, leaf);
  first_fill(probe, leaf);
  return t_address(leaf, access);
}

// ---- the loop ----

static void count_hits(u64 lanes, long hits) {
  for (int lane = 1; lane < LANES; lane++) {
    u64 n = lanes >> (LANE_BITS * (lane - 1)) & MOST_AT_ONCE;
    counted.l1_hits[lane / 3][lane % 3] += n;
    hits -= n;
  }
  counted.l1_hits[0][0] += hits;
}

// Runs operations until the end, a fault, or as many as the lanes can count; *fault is 0 or it.
static long enter(const u64 *operations, long from, long to, u64 *reached, u64 *fault) {
  u64 lanes = 0, time = clock_of_uses;
  long i = from, slow = 0;
  if (to - from > MOST_AT_ONCE) to = from + MOST_AT_ONCE;
  for (; i < to; i++) {
    u64 operation = operations[i];
    struct entry *e = first + filter[(operation >> 12) & 4095];
    if (LIKELY(differs(probe_of(operation), e) == 0)) {
      e->time = time++;
      lanes += e->lane;
      reached[i] = (operation + e->delta) & MACHINE;
      continue;
    }
    if (UNLIKELY((operation & (FETCH | WRITE)) == (FETCH | WRITE) || operation & SPECIAL)) break;
#ifdef PREFETCH
    if (i + AHEAD < to) {
      u64 later = operations[i + AHEAD];
      __builtin_prefetch(table_hint[(later >> 21) & 1023] + ((later >> 12) & 511));
    }
#endif
    clock_of_uses = time;
    u64 address = one(operation);
    time = clock_of_uses;
    if (UNLIKELY(address & FAULT)) {
      *fault = address;
      break;
    }
    slow++;
    reached[i] = address;
  }
  clock_of_uses = time;
  count_hits(lanes, i - from - slow);
  counted.accesses += i - from;
  return i;
}

static u64 *reached, faults, fault_sum;

static void pass(const struct stream *s) {
  faults = fault_sum = 0;
  for (long i = 0; i < s->count;) {
    u64 fault = 0;
    long to = s->count - i < BUDGET ? s->count : i + BUDGET;
    i = enter(s->operations, i, to, reached, &fault);
    if (UNLIKELY(fault)) {
      faults++;
      fault_sum = fault_sum * 31 + (unsigned)fault;
      if (fault >> 32 & 1) {
        counted.general_protection++;
      } else {
        counted.page_faults++;
        drop_faulting(s->operations[i]);
      }
      reached[i++] = 0;
    }
  }
}

static void show_pass(const char *name, const struct stream *s) {
  memset(&counted, 0, sizeof counted);
  pass(s);
  u64 references = 0, sum = 0;
  for (int level = 1; level <= 4; level++) references += counted.references[level];
  for (long i = 0; i < s->count; i++) sum += reached[i];
  printf("%s-l1-misses=%lu %s-l2-misses=%lu %s-walks=%lu %s-references=%lu %s-sum=%lx ", name,
         counted.l1_misses[0] + counted.l1_misses[1], name, counted.l2_misses, name, counted.walks,
         name, references, name, sum);
  printf("%s-faults=%lu %s-fault-sum=%lx %s-rewalks=%lu %s-accessed-set=%lu %s-dirty-set=%lu ",
         name, faults, name, fault_sum, name, counted.rewalks, name, counted.accessed_set, name,
         counted.dirty_set);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: %s STREAM PASSES\n", arguments[0]);
    return 2;
  }
  struct stream s = stream_open(arguments[1]);
  memory_init();
  rules_init();
  now.root = map_all(&s);
  care_init();
  first_init();
  cache_init(&second, L2);
  cache_init(&pdes, PDES);
  cache_init(&pdptes, PDPTES);
  cache_init(&pml4es, PML4ES);
#ifdef PREFETCH
  for (int i = 0; i < 1024; i++) table_hint[i] = zeros;
#endif
  reached = zeroed(s.count * sizeof *reached);
  show_pass("cold", &s);
  show_pass("steady", &s);
  printf("ns=%.4f\n", median_pass(&s, atoi(arguments[2]), pass));
  return 0;
}
