// SPDX-License-Identifier: Apache-2.0

/**
 * The physical-to-machine map of a domain and its inverse.
 *
 * <p>What it must do: answer what a guest frame is, in either format, the same; write each entry
 * with one store, so that hardware and software see the old or the new; flush before a table is
 * freed; keep M2P, references and counts in step with every change; change nothing, or precisely
 * what it says, when memory for tables is short.
 *
 * <p>What it may do: change types lazily. A mark at the top of the tree (U/S clear in x86 entries,
 * an invalid memory type in EPT) makes hardware trap; {@link
 * dev.quire.hypervisor.p2m.Recalculation} works the mark downwards on the path that was used.
 *
 * <pre>
 *   DomainP2m          operations, locking, order of hooks, flushes and frees
 *    |- Mapper         one change of one mapping: the funnel for every entry
 *    |- Recalculation  lazy changes of type and memory type
 *    |- P2mTables      the tree in machine memory
 *    |   `- EntryCodec what the bits mean: X86Codec, EptCodec
 *    |- TypeRules      what a lazily changed type is by now
 *    `- FlushQueue     flush first, free afterwards
 *   MachineToPhysical  owner, guest frame and references of every machine frame
 * </pre>
 */
@NullMarked
package dev.quire.hypervisor.p2m;

import org.jspecify.annotations.NullMarked;
