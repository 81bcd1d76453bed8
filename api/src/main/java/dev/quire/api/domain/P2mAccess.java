// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

/**
 * What a monitor permits on a guest frame, beyond what the type permits: Xen's {@code
 * p2m_access_t}, by its numbers. Only EPT tables store it.
 */
public enum P2mAccess {
  /** Nothing. */
  N(""),
  /** Reads. */
  R("r"),
  /** Writes. */
  W("w"),
  /** Reads and writes. */
  RW("rw"),
  /** Fetches. */
  X("x"),
  /** Reads and fetches. */
  RX("rx"),
  /** Writes and fetches. */
  WX("wx"),
  /** All. */
  RWX("rwx"),
  /** Reads and fetches; a write silently turns it into {@link #RW}. */
  RX2RW("rx"),
  /** Nothing; the first touch turns it into {@link #RWX} and is reported. */
  N2RWX(""),
  /** Reads, and writes of A and D by page walks. */
  R_PW("r");

  private static final P2mAccess[] ALL = values();

  private final boolean readable;
  private final boolean writable;
  private final boolean executable;

  P2mAccess(String rights) {
    this.readable = rights.contains("r");
    this.writable = rights.contains("w");
    this.executable = rights.contains("x");
  }

  /** The access of a number, 0 to 10. */
  public static P2mAccess at(int number) {
    return ALL[number];
  }

  /** Whether it permits reads. */
  public boolean isReadable() {
    return readable;
  }

  /** Whether it permits writes. */
  public boolean isWritable() {
    return writable;
  }

  /** Whether it permits fetches. */
  public boolean isExecutable() {
    return executable;
  }
}
