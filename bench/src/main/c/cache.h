// SPDX-License-Identifier: Apache-2.0
// A set-associative cache with true LRU from a non-zero key to a value: second-level TLB and
// paging-structure caches. Its shape is given at each call as constants, so that the compiler sees
// them.
#ifndef CACHE_H
#define CACHE_H

#include "stream.h"
#ifdef __AVX512VL__
#include <immintrin.h>
#endif

#define CACHE_SETS 128
#define CACHE_ROW 16

struct cache {
  u64 order[CACHE_SETS];  // ways in order of use, a nibble each, the most recent lowest
  u64 key[CACHE_SETS * CACHE_ROW] __attribute__((aligned(64)));
  u64 value[CACHE_SETS * CACHE_ROW] __attribute__((aligned(64)));
};

INLINE int row_of(int ways) { return ways <= 4 ? 4 : ways <= 8 ? 8 : 16; }

static void cache_init(struct cache *c, int sets, int ways) {
  memset(c, 0, sizeof *c);
  for (int set = 0; set < sets; set++) c->order[set] = 0xFEDCBA9876543210ull & (~0ull >> (64 - 4 * ways));
}

// Bit n: row[n] is the key.
INLINE unsigned matches(const u64 *row, u64 key, int length) {
#ifdef __AVX512VL__
  if (length == 4) {
    return _mm256_cmpeq_epi64_mask(_mm256_load_si256((const void *)row), _mm256_set1_epi64x(key));
  }
  unsigned found = _mm512_cmpeq_epi64_mask(_mm512_load_si512(row), _mm512_set1_epi64(key));
  if (length == 16) {
    found |= _mm512_cmpeq_epi64_mask(_mm512_load_si512(row + 8), _mm512_set1_epi64(key)) << 8;
  }
  return found;
#else
  unsigned found = 0;
  for (int i = 0; i < length; i++) found |= (unsigned)(row[i] == key) << i;
  return found;
#endif
}

INLINE int place_of(u64 order, u64 way) {
  u64 ones = 0x1111111111111111ull;
  u64 differs = order ^ (way * ones);
  return __builtin_ctzll((differs - ones) & ~differs & (8 * ones)) - 3;
}

INLINE u64 to_front(u64 order, u64 way) {
  u64 below = (1ull << place_of(order, way)) - 1;
  return (order & ~(below << 4 | 15)) | (order & below) << 4 | way;
}

INLINE u64 to_back(u64 order, u64 way, int ways) {
  int place = place_of(order, way);
  return (order & ((1ull << place) - 1)) | order >> place >> 4 << place | way << (4 * (ways - 1));
}

// The slot of a key, or -1; no use of it.
INLINE int cache_peek(const struct cache *c, u64 key, int sets, int ways) {
  int base = (key & (sets - 1)) * row_of(ways);
  unsigned found = matches(c->key + base, key, row_of(ways));
  return found ? base + __builtin_ctz(found) : -1;
}

// The same; and it is used.
INLINE int cache_find(struct cache *c, u64 key, int sets, int ways) {
  int slot = cache_peek(c, key, sets, ways);
  if (slot >= 0) {
    u64 *order = &c->order[key & (sets - 1)];
    u64 way = slot & (row_of(ways) - 1);
    if ((*order & 15) != way) *order = to_front(*order, way);
  }
  return slot;
}

INLINE void cache_put(struct cache *c, u64 key, u64 value, int sets, int ways) {
  int set = key & (sets - 1);
  u64 order = c->order[set];
  u64 way = (order >> (4 * (ways - 1))) & 15;
  c->order[set] = (order << 4 & (~0ull >> (64 - 4 * ways))) | way;
  c->key[set * row_of(ways) + way] = key;
  c->value[set * row_of(ways) + way] = value;
}

// Frees the place of a key, which is the next to be taken then.
INLINE void cache_drop(struct cache *c, u64 key, int sets, int ways) {
  int slot = cache_peek(c, key, sets, ways);
  if (slot >= 0) {
    u64 *order = &c->order[key & (sets - 1)];
    *order = to_back(*order, slot & (row_of(ways) - 1), ways);
    c->key[slot] = 0;
  }
}

#endif
