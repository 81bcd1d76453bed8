// SPDX-License-Identifier: Apache-2.0
/** Tests of the replay, on the real machine under native paging. */
@NullMarked
package dev.quire.guest.replay;

import org.jspecify.annotations.NullMarked;
