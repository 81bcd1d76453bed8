// SPDX-License-Identifier: Apache-2.0

package dev.quire.api.address;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.checkerframework.framework.qual.PolymorphicQualifier;

/**
 * The same kind wherever it stands in one method's signature: what goes in as a gfn comes out as a
 * gfn.
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.TYPE_USE, ElementType.TYPE_PARAMETER})
@PolymorphicQualifier(AddressUnknown.class)
public @interface PolyAddress {}
