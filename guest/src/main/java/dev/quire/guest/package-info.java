// SPDX-License-Identifier: Apache-2.0

/** What runs inside a domain: recorded boots and other workloads. */
@NullMarked
package dev.quire.guest;

import org.jspecify.annotations.NullMarked;
