// SPDX-License-Identifier: Apache-2.0
/** What real threads may see of the types of frames. */
package dev.quire.paging.stress;
