// SPDX-License-Identifier: Apache-2.0
// The bare limit: the least work that gives the same translations, misses and references as the
// machine does on a stream without faults. Same TLBs and paging-structure caches, real four-level
// tables, A and D; but flat memory, one page size, no reserved bits, NX, keys, globals or faults,
// and nothing left behind but a sum.
//
// With NESTED the tables lie in guest-physical memory: each is looked up in a nested TLB, caches of
// nested tables, and those tables. Then only a steady pass is shown: of the first ones, in which A and
// D are set, the machine's walk some nested tables once more.
//
//   cc -O3 -march=native [-DPREFETCH] [-DNESTED] limit.c -o limit; ./limit STREAM PASSES
#include "cache.h"
#ifdef NESTED
#include "second.h"
#endif

// ---- geometry: 64 x 4 for data and for fetches, 1536 x 12, PSCs 4x8, 2x4, 1x4 ----

#define L1_SETS 16
#define L1_WAYS 4
#define L2 128, 12
#define PDES 4, 8
#define PDPTES 2, 4
#define PML4ES 1, 4

// nested: a TLB of 16 entries, PSCs 4x8, 1x4, 1x4

#define NESTED_TLB 1, 16
#define NESTED_PDES 4, 8
#define NESTED_PDPTES 1, 4
#define NESTED_PML4ES 1, 4

// ---- memory ----

static u64 *memory;

static u64 *entry_at(u64 table, int index) { return memory + (table >> 3) + index; }

// ---- keys: operations with the address space xor-ed into the copies of bit 47 ----

#define SPACE (0x41ull << 48)
#define PAGE (ADDRESS & ~0xfffull)
#define PRESENT (PAGE | FETCH)

static u64 l1_misses, l2_misses, walks, references, faults, sum;

static u64 root;
static struct cache second, pdes, pdptes, pml4es;

#ifdef PREFETCH
#ifndef AHEAD
#define AHEAD 8
#endif
static u64 table_hint[1024];  // by linear address bits 30..21: the page table used last
#endif

INLINE u64 probe_of(u64 operation) {
  u64 probe = operation ^ SPACE;
  __asm__("" : "+r"(probe));  // now, and not after the key has come from memory: 0.05 to 0.2 ns
  return probe;
}

INLINE u64 key_2(u64 operation, int shift) { return (probe_of(operation) & ADDRESS) >> shift; }

// ---- the second dimension ----

#ifdef NESTED
static struct cache nested_tlb, nested_pdes, nested_pdptes, nested_pml4es;

#define NESTED_SPACE (1ull << 50)

static void nested_init(const struct stream *s) {
  map_guest(s);
  cache_init(&nested_tlb, NESTED_TLB);
  cache_init(&nested_pdes, NESTED_PDES);
  cache_init(&nested_pdptes, NESTED_PDPTES);
  cache_init(&nested_pml4es, NESTED_PML4ES);
}

// Rights are in the low bits of what is above, as they are in entries.
OUTLINE u64 nested_walk(u64 physical) {
  u64 above, pde = physical >> 21 | NESTED_SPACE;
  u64 pdpte = physical >> 30 | NESTED_SPACE, pml4e = physical >> 39 | NESTED_SPACE;
  int level, slot;
  if ((slot = cache_find(&nested_pdes, pde, NESTED_PDES)) >= 0) {
    above = nested_pdes.value[slot];
    level = 1;
  } else if ((slot = cache_find(&nested_pdptes, pdpte, NESTED_PDPTES)) >= 0) {
    above = nested_pdptes.value[slot];
    level = 2;
  } else if ((slot = cache_find(&nested_pml4es, pml4e, NESTED_PML4ES)) >= 0) {
    above = nested_pml4es.value[slot];
    level = 3;
  } else {
    above = nested_root | RWX;
    level = 4;
  }
  for (; level > 0; level--) {
    references++;
    u64 entry = *entry_at(above & FRAME, (physical >> (12 + 9 * (level - 1))) & 511);
    above = (entry & FRAME) | (entry & above & RWX);
    if (level == 2) cache_put(&nested_pdes, pde, above, NESTED_PDES);
    if (level == 3) cache_put(&nested_pdptes, pdpte, above, NESTED_PDPTES);
    if (level == 4) cache_put(&nested_pml4es, pml4e, above, NESTED_PML4ES);
  }
  return above;
}

// Where a guest-physical page lies in the machine.
INLINE u64 located(u64 physical, u64 needed) {
  u64 key = physical >> 12 | NESTED_SPACE;
  int slot = cache_find(&nested_tlb, key, NESTED_TLB);
  u64 found;
  if (slot >= 0) {
    found = nested_tlb.value[slot];
  } else {
    found = nested_walk(physical);
    cache_put(&nested_tlb, key, found, NESTED_TLB);
  }
  if (UNLIKELY((found & needed) != needed)) faults++;
  return found & FRAME;
}
#else
#define located(physical, needed) (physical)
#endif

INLINE u64 table_at(u64 above) { return located(above & FRAME, 1) | (above & ~FRAME); }

INLINE u64 page_at(u64 leaf, u64 operation) {
  return located(leaf & FRAME, operation & WRITE ? 3 : 1) | (leaf & ~FRAME);
}

// ---- walk ----

// From the root, setting A and D; nothing goes into the paging-structure caches. Entries that have
// been read just now on the way from the root do not count again.
OUTLINE u64 assisted_walk(u64 operation, int counted) {
  references += counted;
  u64 table = root, entry, rights = RW | US;
  for (int shift = 39;; shift -= 9) {
    u64 *at = entry_at(table, (operation >> shift) & 511);
    entry = *at;
    if (!(entry & P)) {
      faults++;
      return 0;
    }
    rights &= entry;
    entry |= A | (shift == 12 && operation & WRITE ? D : 0);
    *at = entry;
    if (shift == 12) return (entry & ~(RW | US)) | rights;
    table = entry & FRAME;
  }
}

OUTLINE u64 walk(u64 operation) {
  u64 above;
  int level, slot;
  walks++;
  if ((slot = cache_find(&pdes, key_2(operation, 21), PDES)) >= 0) {
    above = pdes.value[slot];
    level = 1;
  } else if ((slot = cache_find(&pdptes, key_2(operation, 30), PDPTES)) >= 0) {
    above = pdptes.value[slot];
    level = 2;
  } else if ((slot = cache_find(&pml4es, key_2(operation, 39), PML4ES)) >= 0) {
    above = pml4es.value[slot];
    level = 3;
  } else {
    above = table_at(root | RW | US | A);
    level = 4;
  }
  int below_root = level != 4;
  for (; level > 1; level--) {
    int shift = 12 + 9 * (level - 1);
    references++;
    u64 entry = *entry_at(above & FRAME, (operation >> shift) & 511);
    if (UNLIKELY((entry & (P | A)) != (P | A))) break;
    above = table_at((entry & FRAME) | (entry & above & (RW | US | A)));
    if (level == 2) cache_put(&pdes, key_2(operation, 21), above, PDES);
    if (level == 3) cache_put(&pdptes, key_2(operation, 30), above, PDPTES);
    if (level == 4) cache_put(&pml4es, key_2(operation, 39), above, PML4ES);
  }
  if (LIKELY(level == 1)) {
#ifdef PREFETCH
    table_hint[(operation >> 21) & 1023] = above & FRAME;
#endif
    references++;
    u64 entry = *entry_at(above & FRAME, (operation >> 12) & 511);
    u64 wanted = P | A | (operation & WRITE ? D : 0);
    if (LIKELY((entry & wanted) == wanted)) {
      return page_at((entry & ~(RW | US)) | (entry & above & (RW | US)), operation);
    }
  }
  return assisted_walk(operation, below_root ? 4 : level - 1);
}

// ---- first level: the data TLB's sets, then the instruction TLB's ----

struct entry {
  u64 key;    // what the bits of a probe that count must be
  u64 care;   // the bits that count
  u64 time;   // of last use
  u64 delta;  // from the linear to the machine address
};

static struct entry first[2 * L1_SETS * L1_WAYS] __attribute__((aligned(64)));
static uint16_t filter[4096];  // by low bits of the page number: where the entry is that was used last
static u64 clock_of_uses = 1;
static u64 cares[8];  // 1 writable and dirty, 2 user, 4 fetch

static void first_init(void) {
  for (int i = 0; i < 2 * L1_SETS * L1_WAYS; i++) first[i].care = ~0ull;
  for (int i = 0; i < 8; i++) {
    u64 who = !(i & 2) ? USER : i & 4 ? USER : SMAP_EXEMPT;
    cares[i] = PRESENT | who | (i & 4 || !(i & 1) ? WRITE : 0);
  }
}

INLINE struct entry *set_of(u64 operation) {
  return first + ((operation >> 63) * L1_SETS + ((operation >> 12) & (L1_SETS - 1))) * L1_WAYS;
}

INLINE u64 differs(u64 probe, const struct entry *e) { return (probe ^ e->key) & e->care; }

INLINE struct entry *find(struct entry *set, u64 probe) {
  struct entry *found = 0;
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

INLINE void fill(struct entry *e, u64 operation, u64 leaf) {
  int writable = (leaf & (RW | D)) == (RW | D);
  u64 care = cares[writable | (leaf & US ? 2 : 0) | (operation >> 63 ? 4 : 0)];
  u64 user = leaf & US ? USER | SMAP_EXEMPT : 0;
  e->key = (probe_of(operation) & care & PRESENT) | (care & user);
  e->care = care;
  e->delta = (leaf & FRAME) - (operation & PAGE);
}

INLINE int suffices(u64 leaf, u64 operation) {
  return !(operation & WRITE) || (leaf & (RW | D)) == (RW | D);
}

// The translation anew, after the second level's has gone or if it had none.
INLINE u64 walk_and_keep(u64 operation) {
  u64 leaf = walk(operation);
  cache_put(&second, key_2(operation, 12), leaf, L2);
  return leaf;
}

INLINE u64 second_level(u64 operation) {
  u64 key = key_2(operation, 12);
  int slot = cache_find(&second, key, L2);
  if (slot < 0) {
    l2_misses++;
    return walk_and_keep(operation);
  }
  u64 leaf = second.value[slot];
  if (LIKELY(suffices(leaf, operation))) return leaf;
  cache_drop(&second, key, L2);
  return walk_and_keep(operation);
}

// An access that the filter did not settle; answers the machine address.
OUTLINE u64 miss(u64 operation, u64 now) {
  u64 probe = probe_of(operation);
  struct entry *e = find(set_of(operation), probe);
  if (!e) {
    l1_misses++;
    u64 leaf = second_level(operation);
    e = oldest(set_of(operation));
    fill(e, operation, leaf);
  } else if (differs(probe, e)) {
    cache_drop(&second, key_2(operation, 12), L2);
    fill(e, operation, walk_and_keep(operation));
  }
  e->time = now;
  filter[(operation >> 12) & 4095] = (u64 *)e - (u64 *)first;
  return (operation + e->delta) & MACHINE;
}

static void pass(const struct stream *s) {
  const u64 *operations = s->operations;  // in locals, since the stores below could change *s
  long count = s->count;
  u64 total = 0, now = clock_of_uses;
  for (long i = 0; i < count; i++) {
    u64 operation = operations[i];
    struct entry *e = (void *)((u64 *)first + filter[(operation >> 12) & 4095]);
    if (LIKELY(differs(probe_of(operation), e) == 0)) {
      e->time = now + i;
      total += (operation + e->delta) & MACHINE;
    } else {
#ifdef PREFETCH
      if (i + AHEAD < count) {
        u64 later = operations[i + AHEAD];
        __builtin_prefetch(entry_at(table_hint[(later >> 21) & 1023], (later >> 12) & 511));
      }
#endif
      total += miss(operation, now + i);
    }
  }
  clock_of_uses += count;
  sum += total;
}

static void show_pass(const char *name, const struct stream *s) {
  l1_misses = l2_misses = walks = references = sum = 0;
  pass(s);
  printf("%s-l1-misses=%lu %s-l2-misses=%lu %s-walks=%lu %s-references=%lu %s-sum=%lx ", name,
         l1_misses, name, l2_misses, name, walks, name, references, name, sum);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: %s STREAM PASSES\n", arguments[0]);
    return 2;
  }
  struct stream s = stream_open(arguments[1]);
  memory = zeroed(1ull << 28);
  root = map_all(&s);
  first_init();
  cache_init(&second, L2);
  cache_init(&pdes, PDES);
  cache_init(&pdptes, PDPTES);
  cache_init(&pml4es, PML4ES);
#ifdef NESTED
  nested_init(&s);
  pass(&s);
  pass(&s);
#else
  show_pass("cold", &s);
#endif
  show_pass("steady", &s);
  double nanos = median_pass(&s, atoi(arguments[2]), pass);
  if (faults) {
    fprintf(stderr, "%s: %lu faults, which this kernel cannot take\n", s.name, faults);
    return 1;
  }
  printf("ns=%.4f\n", nanos);
  return 0;
}
