// SPDX-License-Identifier: Apache-2.0

/**
 * The workload {@code replay}: a recorded boot of a real kernel, run on a domain and compared with
 * the recording.
 *
 * <p>{@link dev.quire.guest.replay.Replay} goes through the records; {@link
 * dev.quire.guest.replay.GuestCpu} runs what the guest did and compares where it ended; {@link
 * dev.quire.guest.replay.StoreRouter} finds the addresses of page-table stores, which a recording
 * without single accesses does not hold.
 */
@NullMarked
package dev.quire.guest.replay;

import org.jspecify.annotations.NullMarked;
