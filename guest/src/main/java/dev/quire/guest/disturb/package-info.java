// SPDX-License-Identifier: Apache-2.0

/**
 * What a control domain does to a guest while it runs, and of which the guest must not notice
 * anything: log-dirty rounds, changes of the p2m, swaps of the backend. From a seed, at safe
 * points, with the checks that belong to it.
 */
@NullMarked
package dev.quire.guest.disturb;

import org.jspecify.annotations.NullMarked;
