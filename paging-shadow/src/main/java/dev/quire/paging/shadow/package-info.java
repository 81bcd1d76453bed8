// SPDX-License-Identifier: Apache-2.0

/**
 * Shadow paging: tables for the hardware that compose the guest's tables with the p2m, kept in step
 * with both by write protection. After Xen's {@code mm/shadow}, and in the backend {@code
 * shadow-classic} after what that replaced: the two differ in their {@code SyncPolicy}.
 *
 * <pre>
 *   ShadowMode       one vCPU: which mode, which roots; asks the others under the domain's lock
 *   PageFaults       what a fault means: ours (fixed), an emulated operation, the guest's own
 *   GuestWrites      a write to a guest's table, and what follows for its shadows
 *   Propagation      guest entry and p2m entry in, shadow entry out: the rules one by one
 *   ShadowGraph      shadow pages, who refers to whom, counted
 *   WriteAccess      finds the shadow entries that let a frame be written, takes the right away
 *   OutOfSync        last-level tables that the guest writes itself until it invalidates
 *   ClassicOutOfSync the same of all tables, brought into sync together
 *   HighLevelTables  hl2: from level 2 to the guest's own last-level tables
 *   Unshadowing      takes shadows away: not tables any more, p2m changes, memory needed
 *   ShadowAudit      everything again from scratch
 * </pre>
 */
@NullMarked
package dev.quire.paging.shadow;

import org.jspecify.annotations.NullMarked;
