// SPDX-License-Identifier: Apache-2.0

/**
 * The kinds of address as type qualifiers on {@code long}, and every conversion between them.
 *
 * <p>A kind costs nothing at run time. At compile time the Checker Framework's Subtyping Checker
 * refuses a guest frame number where a machine frame number is wanted, and a plain {@code long}
 * where any kind is wanted. The other way is free: each kind is a {@code long}.
 *
 * <p>What the checker lets through without a word:
 *
 * <ul>
 *   <li>arithmetic with literals keeps the kind ({@code gfn + 1} is a gfn);
 *   <li>a literal is of every kind ({@code 0} may be given as any of them);
 *   <li>arithmetic with a plain {@code long} loses the kind; {@link
 *       dev.quire.api.address.Addresses#advance} keeps it.
 * </ul>
 */
@Export
@Version("0.1.0")
@NullMarked
package dev.quire.api.address;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
