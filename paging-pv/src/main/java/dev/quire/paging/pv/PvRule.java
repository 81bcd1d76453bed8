// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

/**
 * Why something that a PV guest asks for is refused, with where Xen says so. The error number
 * depends on the call; the rule does not.
 */
enum PvRule {
  /** The frame does not exist, is free or is another domain's. */
  NOT_THE_DOMAINS_FRAME("frame of another domain or of nobody", "get_page_from_gfn"),
  /** An entry sets bits that no guest may set at its level. */
  FLAGS("bits that an entry must not have", "L1_DISALLOW_MASK to L4_DISALLOW_MASK"),
  /** The frame is in use as something else. */
  TYPE_IN_USE("frame in use as another type", "_get_page_type"),
  /** A mapping of another domain's frame, without the privilege for it. */
  FOREIGN_FRAME("mapping of a foreign frame", "get_page_from_l1e"),
  /** A writable mapping of a frame that is shared copy-on-write. */
  COPY_ON_WRITE("writable mapping of a shared frame", "get_page_from_l1e"),
  /** Device memory that the domain has not been given. */
  DEVICE("device memory without permission", "iomem_access_permitted"),
  /** A memory type other than write-back for a frame of the hypervisor's. */
  MEMORY_TYPE("memory type on a frame of the hypervisor's", "get_page_from_l1e"),
  /** A slot of a level-4 table that is the hypervisor's. */
  HYPERVISOR_SLOT("slot of the hypervisor's", "mod_l4_entry"),
  /** An entry that maps a table of its own level writable. */
  LINEAR_WRITABLE("linear entry that is writable", "get_l4_linear_pagetable (XSA-182)"),
  /** A chain of linear entries, or they are switched off. */
  LINEAR_CHAIN("linear entry to a table that takes part in another", "inc_linear_uses (XSA-240)"),
  /** An entry above level 1 that maps another domain's table. */
  FOREIGN_TABLE("table of a foreign domain", "do_mmu_update"),
  /** Somebody else changed the entry meanwhile. */
  CHANGED_MEANWHILE("entry changed by another CPU", "UPDATE_ENTRY"),
  /** Pinned already. */
  PINNED("pinned already", "MMUEXT_PIN_L1_TABLE"),
  /** Not pinned. */
  NOT_PINNED("not pinned", "MMUEXT_UNPIN_TABLE"),
  /** No level-1 table maps the address, or it is none of the guest's addresses. */
  NO_LEVEL_1("no level-1 table maps the address", "map_guest_l1e"),
  /** The frame is no validated level-1 table. */
  NOT_LEVEL_1("frame that is no level-1 table", "do_update_va_mapping"),
  /** Memory of the caller that it names cannot be reached. */
  POINTER("pointer that leads nowhere", "copy_from_guest"),
  /** There is no such domain, or the caller named itself as a foreign one. */
  NO_SUCH_DOMAIN("no such domain", "get_pg_owner"),
  /** The caller has no power over the domain. */
  NOT_PRIVILEGED("domain over which the caller has no power", "XSM_TARGET"),
  /** The other domain is no PV domain. */
  NOT_PV("domain that is not PV", "paging_mode_refcounts"),
  /** The command does not exist. */
  COMMAND("unknown command", "ENOSYS"),
  /** The command exists no more. */
  WITHDRAWN("command that has been withdrawn", "MMUEXT_MARK_SUPER (XSA-167)"),
  /** A number is out of range or not aligned. */
  ARGUMENT("argument out of range", "EINVAL"),
  /** A descriptor that a guest may not have. */
  DESCRIPTOR("segment descriptor", "check_descriptor"),
  /** The caches may be flushed by domains with devices only. */
  CACHE_FLUSH("cache flush without devices", "cache_flush_permitted"),
  /** There is no memory. */
  NO_MEMORY("no memory left", "alloc_domheap_pages"),
  /** Others still refer to the frame. */
  REFERRED_TO("frame that somebody refers to", "steal_page"),
  /** A grant is to be mapped neither for the host nor for devices. */
  GRANT_KIND("grant mapped for nobody", "GNTMAP_device_map, GNTMAP_host_map"),
  /** There is no such grant. */
  GRANT_REFERENCE("grant that does not exist", "nr_grant_entries"),
  /** The entry grants nothing, or not this, or to somebody else. */
  GRANT_REFUSED("grant that does not permit this", "_set_status_v1"),
  /** The granting guest changes the entry all the time. */
  GRANT_UNSTABLE("grant that keeps changing", "_set_status_v1"),
  /** Another domain uses the grant, or too many mappings do. */
  GRANT_IN_USE("grant in use by others or too often", "map_grant_ref"),
  /** There are too many mappings of grants. */
  GRANT_HANDLES("no handle left", "get_maptrack_handle"),
  /** The handle stands for no mapping. */
  GRANT_HANDLE("handle of no grant", "maptrack_entry"),
  /** The device address is not that of the grant's frame. */
  GRANT_ADDRESS("device address of another frame", "unmap_common"),
  /** The entry does not map the grant, or not as it was mapped. */
  GRANT_ENTRY("entry that is not the grant's", "replace_grant_pv_mapping (XSA-234)"),
  /** The address of an entry is not one. */
  GRANT_ALIGNMENT("address between two entries", "create_grant_pv_mapping (XSA-227)"),
  /** The table would be too large. */
  GRANT_TABLE("grant table too large", "gnttab_setup_table"),
  /** The other domain does not wait for a frame from this one. */
  GRANT_TRANSFER("transfer that nobody waits for", "gnttab_prepare_for_transfer"),
  /** An entry that is not present names memory, and the guest is not shadowed yet. */
  TERMINAL_FAULT("absent entry that names memory", "pv_l1tf_check_l1e"),
  /** The root of a 32-bit guest lies where its CR3 does not reach. */
  ROOT_TOO_HIGH("PAE root above 4 GiB", "pae_extended_cr3"),
  /** The last entry of a 32-bit guest's root is empty. */
  NO_LAST_TABLE("PAE root without its last table", "promote_l3_table"),
  /** The last table of a 32-bit guest's root is another's too. */
  SHARED_LAST_TABLE("PAE root whose last table is shared", "create_pae_xen_mappings");

  private final String title;
  private final String source;

  PvRule(String title, String source) {
    this.title = title;
    this.source = source;
  }

  /** For people. */
  String title() {
    return title;
  }

  /** Function or name in Xen that has the rule. */
  String source() {
    return source;
  }
}
