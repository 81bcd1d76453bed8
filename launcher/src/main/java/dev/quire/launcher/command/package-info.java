// SPDX-License-Identifier: Apache-2.0
/** The command line. {@code docs/checks.md} shows what each command is good for. */
@NullMarked
package dev.quire.launcher.command;

import org.jspecify.annotations.NullMarked;
