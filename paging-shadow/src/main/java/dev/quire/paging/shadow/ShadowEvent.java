// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

/** What shadow paging counts, each where it happens; the titles are the report's. */
enum ShadowEvent {
  /** Page faults that came to the backend. */
  FAULTS("faults"),
  /** Faults after which the hardware can go on. */
  FIXED("faults-fixed"),
  /** Faults that the guest has to handle. */
  INJECTED("faults-injected"),
  /** Faults answered by doing the operation in the hardware's place: a write to a table. */
  EMULATED_TABLE_WRITES("emulated-table-writes", Scope.LATER),
  /** The same: a write that CR0.WP = 0 allows and the hardware does not. */
  EMULATED_WP("emulated-write-protect-off"),
  /** The same: a device. */
  EMULATED_MMIO("emulated-mmio"),
  /** Of those, the ones that the shadow entry told at once. */
  FAST_MMIO("mmio-fast-path", Scope.LATER),
  /** Faults injected, since the shadow entry told at once that the guest's is not present. */
  FAST_NOT_PRESENT("not-present-fast-path", Scope.LATER),
  /** Emulated writes to the table that the last one went to, by the same address. */
  FAST_TABLE_WRITES("table-writes-fast-path", Scope.LATER),
  /** The same: a write to memory that is only read. */
  EMULATED_READ_ONLY("emulated-read-only"),
  /** Faults that began again because the guest changed its tables meanwhile. */
  REWALKS("fault-rewalks"),
  /** Entries that a fault made besides its own. */
  PREFETCHED("prefetched-entries"),
  /** Writes to frames that have shadows. */
  TABLE_WRITES("table-writes"),
  /** Shadow entries made again after such writes. */
  REVALIDATED("revalidated-entries"),
  /** Shadows made. */
  SHADOWS_MADE("shadows-made"),
  /** Shadows ended. */
  SHADOWS_ENDED("shadows-ended"),
  /** Frames that became tables. */
  PROMOTIONS("promotions"),
  /** Frames whose last shadow went. */
  DEMOTIONS("demotions"),
  /** Last-level tables that the guest was let write itself: out of sync. */
  UNSYNCS("unsyncs"),
  /** Shadow entries that came to lead to a shadow that was there already: the cache's worth. */
  SHADOWS_FOUND("shadows-found"),
  /** Tables brought into sync again. */
  RESYNCS("resyncs"),
  /** Of those, the ones whose slot another table needed. */
  RESYNCS_FOR_ROOM("resyncs-for-room", Scope.LATER),
  /** Times that tables were brought into sync since an entry came to lead to them. */
  RESYNCS_REACHED("resyncs-since-newly-reached", Scope.LATER),
  /** Tables out of sync whose shadows were brought up to date for another vCPU. */
  REFRESHES("out-of-sync-refreshes", Scope.LATER),
  /** Entries that had changed meanwhile. */
  RESYNCED_ENTRIES("resynced-entries"),
  /** Writable mappings of tables out of sync, taken away since two others are known. */
  FIXUPS_EVICTED("fixups-evicted", Scope.LATER),
  /** Further writable mappings of tables out of sync. */
  SNAPSHOT_ELSEWHERE("snapshots-elsewhere", Scope.CLASSIC),
  /** Times that the entries of one address were compared with snapshots. */
  ADDRESS_CHECKS("out-of-sync-address-checks", Scope.CLASSIC),
  /** Times that all was brought into sync, since entries of an address that is used changed. */
  RESYNC_ALL_FAULT("resync-all-at-fault", Scope.CLASSIC),
  /** The same: since an entry came to lead to a shadow. */
  RESYNC_ALL_REACHED("resync-all-at-new-reference", Scope.CLASSIC),
  /** The same: of an address that is invalidated. */
  RESYNC_ALL_INVLPG("resync-all-at-invlpg", Scope.CLASSIC),
  /** The same: since CR3 was loaded. */
  RESYNC_ALL_CR3("resync-all-at-cr3", Scope.CLASSIC),
  /** The same: since a table got a shadow. */
  RESYNC_ALL_PROMOTION("resync-all-at-promotion", Scope.CLASSIC),
  /** The same: since a vCPU's mode changed, or logging ended. */
  RESYNC_ALL_MODE("resync-all-at-mode-change", Scope.CLASSIC),
  /** The same: for the snapshots' frames. */
  RESYNC_ALL_MEMORY("resync-all-for-memory", Scope.CLASSIC),
  /** Last-level tables of the guest found through a high-level table. */
  HIGH_LEVEL_HITS("hl2-hits", Scope.CLASSIC),
  /** Those not found there. */
  HIGH_LEVEL_MISSES("hl2-misses", Scope.CLASSIC),
  /** Entries of high-level tables set or emptied. */
  HIGH_LEVEL_UPDATES("hl2-updates", Scope.CLASSIC),
  /** Writable mappings of tables out of sync found where they were listed. */
  WRITABLE_BY_ENTRY("writable-found-by-entry", Scope.CLASSIC),
  /** Writable mappings found where the frame's last one was. */
  WRITABLE_BY_PREDICTION("writable-found-by-prediction", Scope.CLASSIC),
  /** Predictions that were wrong. */
  PREDICTIONS_MISSED("writable-predictions-missed", Scope.CLASSIC),
  /** Writable mappings of tables out of sync found where they were noted. */
  WRITABLE_BY_FIXUP("writable-found-by-fixup", Scope.LATER),
  /** Writable mappings found by a reverse map. */
  WRITABLE_BY_REVERSE_MAP("writable-found-by-rmap"),
  /** Writable mappings found by the address where a guest is known to have one. */
  WRITABLE_BY_GUESS("writable-found-by-guess", Scope.LATER),
  /** Writable mappings found in the table where the last one was. */
  WRITABLE_BY_LAST("writable-found-in-last-table"),
  /** Searches of all tables for writable mappings. */
  WRITABLE_SEARCHES("writable-searches"),
  /** Writable mappings found by them. */
  WRITABLE_BY_SEARCH("writable-found-by-search"),
  /** Frames whose shadows were taken away because they no longer look like tables. */
  UNSHADOWED("unshadowed-frames"),
  /** Times that the guest told of a process about to end. */
  DYING_TABLES("dying-tables-told", Scope.LATER),
  /** Searches of all tables for entries that refer to a shadow. */
  PARENT_SEARCHES("parent-searches"),
  /** Searches of all tables for mappings of frames whose p2m entry changes. */
  MAPPING_SEARCHES("mapping-searches"),
  /** Roots that lost their pin for memory. */
  EVICTED_ROOTS("evicted-roots"),
  /** Times that all roots in use were emptied for memory. */
  UNHOOKS("unhooks"),
  /** Times that all shadows were taken away. */
  BLOWN("tables-blown"),
  /** Roots loaded. */
  ROOT_LOADS("root-loads"),
  /** Roots loaded that had a shadow already. */
  ROOTS_KEPT("root-loads-shadowed"),
  /** Flushes of all CPUs. */
  SHOOTDOWNS("shootdowns");

  /** Which generations can count it. */
  private enum Scope {
    EACH,
    LATER,
    CLASSIC
  }

  private final String title;
  private final Scope scope;

  ShadowEvent(String title) {
    this(title, Scope.EACH);
  }

  ShadowEvent(String title, Scope scope) {
    this.title = title;
    this.scope = scope;
  }

  /** Whether it can happen in a generation. */
  boolean isOf(boolean classic) {
    return scope != (classic ? Scope.LATER : Scope.CLASSIC);
  }

  /** The name in reports. */
  String title() {
    return title;
  }
}
