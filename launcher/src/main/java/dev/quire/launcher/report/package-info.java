// SPDX-License-Identifier: Apache-2.0
/** What a run is told to people and to programs: {@code docs/report.md}. */
@NullMarked
package dev.quire.launcher.report;

import org.jspecify.annotations.NullMarked;
