// SPDX-License-Identifier: Apache-2.0
// What every kernel shares: the file of operations, the page tables made from it, and the clock.
//
// A stream file is little-endian quadwords:
//
//   magic | pages | operations | pages times a page | operations times an operation
//
//   page       63..0 the page-table entry that shall map it, with the linear page number in 47..12
//   operation  63 FETCH | 62 WRITE | 61 USER | 60 SMAP_EXEMPT | 56..0 linear address
#ifndef STREAM_H
#define STREAM_H

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

typedef uint64_t u64;

#define STREAM_MAGIC 0x314d525453525551ull /* "QURSTRM1" */

#define FETCH (1ull << 63)
#define WRITE (1ull << 62)
#define USER (1ull << 61)
#define SMAP_EXEMPT (1ull << 60)
#define ACCESS (FETCH | WRITE | USER | SMAP_EXEMPT)
#define ADDRESS ((1ull << 57) - 1)
#define MACHINE ((1ull << 52) - 1)

// Bits of an entry.
#define P 1ull
#define RW 2ull
#define US 4ull
#define A 0x20ull
#define D 0x40ull
#define PS 0x80ull
#define G 0x100ull
#define NX (1ull << 63)
#define FRAME 0x000ffffffffff000ull
#define LINEAR_PAGE 0x0000fffffffff000ull

// Frames of tables are given out from 1 on; those of pages lie scattered behind FIRST_PAGE_FRAME.
#define FIRST_PAGE_FRAME (1ull << 21)
#define SCATTER 2654435761ull
#define SCATTERED 0xfffffull

#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define INLINE static inline __attribute__((always_inline))
#define OUTLINE static __attribute__((noinline))

struct stream {
  const char *name;
  const u64 *pages;
  const u64 *operations;
  long page_count;
  long count;
};

static void die(const char *what) {
  perror(what);
  exit(2);
}

static struct stream stream_open(const char *path) {
  int file = open(path, O_RDONLY);
  struct stat info;
  if (file < 0 || fstat(file, &info) < 0) die(path);
  const u64 *words =
      mmap(0, info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (words == MAP_FAILED) die(path);
  if (info.st_size < 24 || words[0] != STREAM_MAGIC) {
    fprintf(stderr, "%s: not a stream file\n", path);
    exit(2);
  }
  const char *slash = strrchr(path, '/');
  struct stream s = {slash ? slash + 1 : path, words + 3, words + 3 + words[1], words[1], words[2]};
  return s;
}

#define HUGE_PAGE (2ull << 20)

// Zeroed memory, in huge pages where the host gives them.
static void *zeroed(size_t bytes) {
  void *memory = mmap(0, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  void *aligned = (void *)(((u64)memory + HUGE_PAGE - 1) & -HUGE_PAGE);
  madvise(aligned, bytes, MADV_HUGEPAGE);
  return aligned;
}

// ---- page tables ----

// The kernel says where a table entry lies.
static u64 *entry_at(u64 table, int index);

static u64 frames_used = 1;

static u64 new_table(void) { return frames_used++ << 12; }

static void map_page(u64 root, u64 page) {
  u64 linear = page & LINEAR_PAGE;
  u64 table = root;
  for (int shift = 39; shift > 12; shift -= 9) {
    u64 *entry = entry_at(table, (linear >> shift) & 511);
    if (!(*entry & P)) *entry = new_table() | P | RW | US;
    table = *entry & FRAME;
  }
  u64 frame = FIRST_PAGE_FRAME + (((linear >> 12) * SCATTER) & SCATTERED);
  *entry_at(table, (linear >> 12) & 511) = (page & ~LINEAR_PAGE) | frame << 12;
}

static u64 map_all(const struct stream *s) {
  u64 root = new_table();
  for (long i = 0; i < s->page_count; i++) map_page(root, s->pages[i]);
  return root;
}

// ---- time ----

static double cpu_nanos(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

// The median of some passes, in ns an access.
static double median_pass(const struct stream *s, int passes, void (*pass)(const struct stream *)) {
  double times[100];
  if (passes > 100) passes = 100;
  for (int i = 0; i < passes; i++) {
    double start = cpu_nanos();
    pass(s);
    times[i] = (cpu_nanos() - start) / s->count;
  }
  qsort(times, passes, sizeof *times, ascending);
  return times[passes / 2];
}

#endif
