// SPDX-License-Identifier: Apache-2.0
// The second dimension: EPT entries, in flat memory; every guest frame is the machine frame of its
// number. In walks of it every table of the first dimension is looked up as well.
#ifndef SECOND_H
#define SECOND_H

#include "stream.h"

#define NESTED_TABLES (8192ull << 12)
#define RWX 7ull
#define WRITE_BACK (6ull << 3)

static u64 nested_root;
static u64 nested_used;

static u64 new_nested_table(void) { return NESTED_TABLES + (nested_used++ << 12); }

static void map_guest_frame(u64 physical) {
  u64 table = nested_root;
  for (int shift = 39; shift > 12; shift -= 9) {
    u64 *entry = entry_at(table, (physical >> shift) & 511);
    if (!(*entry & RWX)) *entry = new_nested_table() | RWX;
    table = *entry & FRAME;
  }
  *entry_at(table, (physical >> 12) & 511) = (physical & FRAME) | RWX | WRITE_BACK;
}

static void map_guest(const struct stream *s) {
  nested_root = new_nested_table();
  for (u64 table = 1; table < frames_used; table++) map_guest_frame(table << 12);
  for (long i = 0; i < s->page_count; i++) {
    u64 linear = s->pages[i] & LINEAR_PAGE;
    map_guest_frame((FIRST_PAGE_FRAME + (((linear >> 12) * SCATTER) & SCATTERED)) << 12);
  }
}

#endif
