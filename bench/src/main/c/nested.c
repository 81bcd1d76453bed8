// SPDX-License-Identifier: Apache-2.0
// The bare limit in two dimensions, without any cache: the least work that makes the 24 references of
// a walk over four levels, each table of which lies where four other levels say. Flat memory, pages of
// 4 KiB, A and D of the guest; no reserved bits, NX, keys or faults.
//
//   cc -O3 -march=native nested.c -o nested; ./nested STREAM PASSES
#include "second.h"

static u64 *memory;

static u64 *entry_at(u64 table, int index) { return memory + (table >> 3) + index; }

static u64 references, walks, faults, sum;
static u64 root;

INLINE u64 to_machine(u64 physical, u64 needed) {
  u64 table = nested_root, rights = RWX;
  for (int shift = 39;; shift -= 9) {
    u64 entry = *entry_at(table, (physical >> shift) & 511);
    rights &= entry;
    table = entry & FRAME;
    if (shift == 12) break;
  }
  references += 4;
  if (UNLIKELY((rights & needed) != needed)) faults++;
  return table | (physical & 0xfff);
}

// ---- the first dimension ----

INLINE u64 walk(u64 operation) {
  u64 table = root, rights = RW | US;
  walks++;
  for (int shift = 39;; shift -= 9) {
    u64 at = to_machine(table | ((operation >> shift) & 511) << 3, 1);
    u64 *place = memory + (at >> 3);
    u64 entry = *place;
    references++;
    u64 wanted = P | A | (shift == 12 && operation & WRITE ? D : 0);
    if (UNLIKELY((entry & wanted) != wanted)) {
      if (!(entry & P)) faults++;
      *place = entry | wanted;
    }
    rights &= entry;
    table = entry & FRAME;
    if (shift == 12) break;
  }
  if (UNLIKELY(!(rights & US) || (operation & WRITE && !(rights & RW)))) faults++;
  return to_machine(table | (operation & 0xfff), operation & WRITE ? 3 : 1);
}

static void pass(const struct stream *s) {
  u64 total = 0;
  for (long i = 0; i < s->count; i++) total += walk(s->operations[i]);
  sum += total;
}

// The first pass sets A and D bits, for which the machine walks some nested tables once more; what a
// steady pass refers to is the same for both.
static void show_steady(const struct stream *s) {
  pass(s);
  walks = references = sum = 0;
  pass(s);
  printf("steady-walks=%lu steady-references=%lu steady-sum=%lx ", walks, references, sum);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: %s STREAM PASSES\n", arguments[0]);
    return 2;
  }
  struct stream s = stream_open(arguments[1]);
  memory = zeroed(1ull << 28);
  root = map_all(&s);
  map_guest(&s);
  show_steady(&s);
  double nanos = median_pass(&s, atoi(arguments[2]), pass);
  if (faults) {
    fprintf(stderr, "%s: %lu faults, which this kernel cannot take\n", s.name, faults);
    return 1;
  }
  printf("ns=%.4f\n", nanos);
  return 0;
}
