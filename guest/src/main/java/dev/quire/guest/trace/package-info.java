// SPDX-License-Identifier: Apache-2.0

/**
 * A streaming reader of X86PTRC1 files: what a real guest did to x86 paging, record by record.
 *
 * <p>The package knows the format and nothing of the machine. It may refuse a file (every damage is
 * one {@link dev.quire.api.guest.InputException} that names file and byte); it must never hold more
 * than a buffer of the file and the recording's page map in memory.
 */
@NullMarked
package dev.quire.guest.trace;

import org.jspecify.annotations.NullMarked;
