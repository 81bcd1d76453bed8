// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

/**
 * What an operation of the hypervisor on a domain answers: Xen's error numbers (public/errno.h). A
 * mistake of a guest or toolstack is such an answer, never an exception.
 */
public enum Errno {
  /** Done. */
  OK(0),
  /** Not permitted. */
  EPERM(1),
  /** No such entry. */
  ENOENT(2),
  /** No such domain. */
  ESRCH(3),
  /** Interrupted before anything was done: call again. */
  EINTR(4),
  /** Too big. */
  E2BIG(7),
  /** Try again. */
  EAGAIN(11),
  /** Out of memory, of the domain's pool as a rule. */
  ENOMEM(12),
  /** No access. */
  EACCES(13),
  /** Bad address. */
  EFAULT(14),
  /** In use, or in the way of another operation. */
  EBUSY(16),
  /** There is one already. */
  EEXIST(17),
  /** No such device. */
  ENODEV(19),
  /** An argument makes no sense. */
  EINVAL(22),
  /** Out of range. */
  ERANGE(34),
  /** No such call. */
  ENOSYS(38),
  /** Not empty. */
  ENOTEMPTY(39),
  /** No data. */
  ENODATA(61),
  /** Overflow. */
  EOVERFLOW(75),
  /** The entry is not what the caller believes it to be. */
  EILSEQ(84),
  /** Preempted: call again with the same arguments to go on. */
  ERESTART(85),
  /** This backend or format cannot. */
  EOPNOTSUPP(95);

  private final int number;

  Errno(int number) {
    this.number = number;
  }

  /** The number; a hypercall answers its negative. */
  public int number() {
    return number;
  }

  /** Whether the operation was done. */
  public boolean isOk() {
    return this == OK;
  }
}
