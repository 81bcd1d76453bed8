// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

/**
 * One tree with what works on it; a change of format makes another.
 *
 * @param tables where it is
 * @param recalculation its lazy changes
 * @param mapper its other changes
 */
record P2mTree(P2mTables tables, Recalculation recalculation, Mapper mapper) {}
