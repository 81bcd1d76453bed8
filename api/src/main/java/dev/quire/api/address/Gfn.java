// SPDX-License-Identifier: Apache-2.0

package dev.quire.api.address;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.checkerframework.framework.qual.SubtypeOf;

/**
 * A guest frame number: a guest physical address without its page offset. Unit: frames of 4 KiB.
 *
 * <p>In a domain whose guest sees the machine (Xen PV, {@code native}) it equals the machine frame
 * number; the conversion is still named, see {@link Addresses#identityGfnToMfn}.
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.TYPE_USE, ElementType.TYPE_PARAMETER})
@SubtypeOf(AddressUnknown.class)
public @interface Gfn {}
