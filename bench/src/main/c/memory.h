// SPDX-License-Identifier: Apache-2.0
// Sparse memory as the machine has it: frames of 512 quadwords made at the first write, found
// through a directory; what lies outside RAM reads as ones.
#ifndef MEMORY_H
#define MEMORY_H

#include "stream.h"

#define RAM_FRAMES (1ull << 22) /* 16 GiB */
#define LEAF_BITS 6
#define FRAME_WORDS 512

static u64 **directory[RAM_FRAMES >> LEAF_BITS];
static u64 zeros[FRAME_WORDS];
static u64 ones[FRAME_WORDS];

static void memory_init(void) { memset(ones, 0xff, sizeof ones); }

// Memory for frames and leaves, never given back.
static void *carve(size_t bytes) {
  static char *free_bytes, *end;
  if (free_bytes + bytes > end || !free_bytes) {
    free_bytes = zeroed(1ull << 26);
    end = free_bytes + (1ull << 26);
  }
  void *carved = free_bytes;
  free_bytes += bytes;
  return carved;
}

INLINE u64 *home(u64 frame) {
  if (UNLIKELY(frame >= RAM_FRAMES)) return 0;
  u64 **leaf = __atomic_load_n(&directory[frame >> LEAF_BITS], __ATOMIC_ACQUIRE);
  return leaf ? __atomic_load_n(&leaf[frame & ((1 << LEAF_BITS) - 1)], __ATOMIC_ACQUIRE) : 0;
}

INLINE u64 *frame_to_read(u64 frame) {
  u64 *there = home(frame);
  return LIKELY(there != 0) ? there : frame < RAM_FRAMES ? zeros : ones;
}

// One thread makes frames here; the kernel itself makes none.
static u64 *frame_to_write(u64 frame) {
  u64 ***leaf = &directory[frame >> LEAF_BITS];
  if (!*leaf) *leaf = carve(sizeof(u64 *) << LEAF_BITS);
  u64 **there = &(*leaf)[frame & ((1 << LEAF_BITS) - 1)];
  if (!*there) *there = carve(FRAME_WORDS * sizeof(u64));
  return *there;
}

static u64 *entry_at(u64 table, int index) { return frame_to_write(table >> 12) + index; }

#endif
