// SPDX-License-Identifier: Apache-2.0

package dev.quire.api.address;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.checkerframework.framework.qual.DefaultFor;
import org.checkerframework.framework.qual.LiteralKind;
import org.checkerframework.framework.qual.QualifierForLiterals;
import org.checkerframework.framework.qual.SubtypeOf;
import org.checkerframework.framework.qual.TypeUseLocation;

/**
 * A value that may stand for every kind: the bottom of the hierarchy, which literals have so that
 * {@code gfn + 1} stays a gfn. Nobody needs to write it.
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.TYPE_USE, ElementType.TYPE_PARAMETER})
@DefaultFor(TypeUseLocation.LOWER_BOUND)
@QualifierForLiterals(LiteralKind.ALL)
@SubtypeOf({Gva.class, Gpa.class, Gfn.class, Mfn.class, Maddr.class})
public @interface AddressBottom {}
