// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import org.osgi.framework.Version;

/**
 * A provider that was found, for people: {@code quire backends} and messages about missing ones.
 *
 * @param service the provider
 * @param name the name that a configuration chooses it by
 * @param bundle symbolic name of the bundle that it comes from
 * @param version of that bundle
 * @param place the jar
 */
public record Provider<T>(T service, String name, String bundle, Version version, String place) {}
