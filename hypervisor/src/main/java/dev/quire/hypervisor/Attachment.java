// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;

/**
 * The backend that serves a domain, and its hold on it: one fact, so one object.
 *
 * @param backend who
 * @param paging how
 */
record Attachment(PagingBackend backend, PagingDomain paging) {}
