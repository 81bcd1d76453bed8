// SPDX-License-Identifier: Apache-2.0
/**
 * What a configuration says, checked and typed. Begin with {@link
 * dev.quire.launcher.config.Settings}; {@code docs/configuration.md} is the page for users.
 */
@NullMarked
package dev.quire.launcher.config;

import org.jspecify.annotations.NullMarked;
