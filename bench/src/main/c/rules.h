// SPDX-License-Identifier: Apache-2.0
// Four-level paging with everything in force: CR0.WP, SMEP, SMAP, NX, protection keys, global
// pages, MAXPHYADDR 40. Translations, the rights rule and error codes as the machine has them.
#ifndef RULES_H
#define RULES_H

#include "stream.h"

// A translation: frame in 51..12 and these; a fault has the sign bit, and the error code below.
#define T_WRITABLE 1ull
#define T_USER 2ull
#define T_EXECUTABLE 4ull
#define T_GLOBAL 8ull
#define T_DIRTY 16ull
#define T_SIZE_SHIFT 5
#define T_KEY_SHIFT 7
#define T_PRESENT 0x800ull
#define FAULT (1ull << 63)

#define CODE_P 1
#define CODE_W 2
#define CODE_U 4
#define CODE_RSVD 8
#define CODE_I 16
#define CODE_PK 32

#define ADDRESS_BEYOND (FRAME & -(1ull << 40))
#define ENTRY_KEY_SHIFT 59

// The state that the rule reads. Registers in life, so not constants here.
struct context {
  u64 root;
  unsigned pkru;
  char write_protect, smep, smap, user_keys, global_pages;
  u64 table_reserved[5], page_reserved[5], page_size[5];  // by level
};

static struct context now = {.pkru = 0x55555554,
                             .write_protect = 1,
                             .smep = 1,
                             .smap = 1,
                             .user_keys = 1,
                             .global_pages = 1};

static void rules_init(void) {
  for (int level = 1; level <= 4; level++) {
    int sized = level == 2 || level == 3;
    now.page_size[level] = sized ? PS : 0;
    now.table_reserved[level] = ADDRESS_BEYOND | (level == 4 ? PS : 0);
    u64 below_frame = (1ull << (12 + 9 * (level - 1))) - (1ull << 13);
    now.page_reserved[level] = ADDRESS_BEYOND | (sized ? below_frame : 0);
  }
}

INLINE int t_size(u64 translation) { return (translation >> T_SIZE_SHIFT) & 3; }

INLINE u64 t_address(u64 translation, u64 linear) {
  u64 offset = (1ull << (12 + 9 * t_size(translation))) - 1;
  return (translation & FRAME) | (linear & offset);
}

// What the keys deny: 1 any access, 2 writes.
INLINE unsigned denied_by_key(u64 translation, u64 access) {
  if (!now.user_keys || !(translation & T_USER) || access & FETCH) return 0;
  unsigned denied = now.pkru >> (2 * ((translation >> T_KEY_SHIFT) & 15));
  int write_counts = access & WRITE && (access & USER || now.write_protect);
  return denied & (write_counts ? 3 : 1);
}

INLINE int permits(u64 translation, u64 access) {
  int user = (access & USER) != 0, user_page = (translation & T_USER) != 0;
  if (user && !user_page) return 0;
  if (access & FETCH) return translation & T_EXECUTABLE && (user || !user_page || !now.smep);
  if (user_page && now.smap && !(access & SMAP_EXEMPT)) return 0;
  if (access & WRITE && !(translation & T_WRITABLE) && (user || now.write_protect)) return 0;
  return !denied_by_key(translation, access);
}

INLINE int suffices(u64 translation, u64 access) {
  return (!(access & WRITE) || translation & T_DIRTY) && permits(translation, access);
}

// NX is in force, so fetches are told apart.
static u64 code_of(u64 access) {
  return (access & WRITE ? CODE_W : 0) | (access & USER ? CODE_U : 0) | (access & FETCH ? CODE_I : 0);
}

static u64 fault_not_present(u64 access) { return FAULT | code_of(access); }

static u64 fault_reserved(u64 access) { return FAULT | CODE_P | CODE_RSVD | code_of(access); }

static u64 checked(u64 translation, u64 access) {
  if (permits(translation, access)) return translation;
  int key = denied_by_key(translation, access) != 0;
  return FAULT | CODE_P | (key ? CODE_PK : 0) | code_of(access);
}

#endif
