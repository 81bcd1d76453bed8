// SPDX-License-Identifier: Apache-2.0

/** The backend that does nothing: the guest's tables are the hardware's. */
@NullMarked
package dev.quire.hypervisor.nativepaging;

import org.jspecify.annotations.NullMarked;
