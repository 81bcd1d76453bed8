// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.x86.Access;

/**
 * One operation of a guest, packed into a word, as {@link OperationBlock} holds it.
 *
 * <pre>
 *   access    63 FETCH | 62 WRITE | 61 USER | 60 SMAP_EXEMPT | 59 DATA | 58 WIDE | 56..0 linear address
 *   control   63 and 62 both set; 7..0 {@link Kind}; the address, if any, is in the operand column
 * </pre>
 *
 * An access without {@link #DATA} is a probe: it is translated, its rights are checked, A and D are
 * set, no data moves. The linear address is kept in 57 bits, the widest that any format translates;
 * an address that is not the sign extension of those goes into the second operand and the word is
 * {@link #WIDE}. 32-bit addresses stand as they are.
 */
public final class Operation {
  /** The access moves data between memory and the operand and result columns. */
  public static final long DATA = 1L << 59;

  /** The linear address does not fit into the word; it is in the second operand. */
  public static final long WIDE = 1L << 58;

  /** Both bits set tell a control operation from an access. */
  public static final long CONTROL = Access.FETCH | Access.WRITE;

  /** The bits of the linear address. */
  public static final long ADDRESS = (1L << 57) - 1;

  /**
   * Control operations. Data accesses with operands in columns are made by {@link OperationBlock}.
   */
  public enum Kind {
    /**
     * Locked compare-and-exchange; first operand: expected value, replacement in the result column.
     */
    COMPARE_EXCHANGE,
    /** MOV to CR0. */
    MOV_CR0,
    /** MOV to CR3; the operand is the source operand with bit 63. */
    MOV_CR3,
    /** MOV to CR4. */
    MOV_CR4,
    /** WRMSR of EFER. */
    WRMSR_EFER,
    /** WRPKRU. */
    WRPKRU,
    /** WRMSR of IA32_PKRS. */
    WRMSR_PKRS,
    /** INVLPG; the operand is the linear address. */
    INVLPG,
    /** INVPCID; operands: linear address, and type with the PCID above it. */
    INVPCID,
    /** VMCALL, VMMCALL or the PV trap. */
    HYPERCALL,
    /** CR0 gets a value without the instruction's checks: SMM, restore. */
    LOAD_CR0,
    /** The same for CR3. */
    LOAD_CR3,
    /** The same for CR4. */
    LOAD_CR4,
    /** The same for EFER; the operand includes LMA. */
    LOAD_EFER,
    /** The same for PKRU. */
    LOAD_PKRU,
    /** A PDPTE register gets a value; second operand: its number. */
    LOAD_PDPTE;

    private static final Kind[] ALL = values();

    static Kind at(int ordinal) {
      return ALL[ordinal];
    }
  }

  private Operation() {}

  /**
   * A probe, or with {@link #DATA} a data access. Addresses that do not fit are for {@link
   * OperationBlock}.
   *
   * @param access flags of {@link Access}
   * @param linear linear address
   */
  public static long access(long access, @Gva long linear) {
    return access | linear & ADDRESS;
  }

  /** A control operation. */
  public static long control(Kind kind) {
    return CONTROL | kind.ordinal();
  }

  /** Whether the operation is a control operation. */
  public static boolean isControl(long operation) {
    return (operation & CONTROL) == CONTROL;
  }

  /** The kind of a control operation. */
  public static Kind kind(long operation) {
    return Kind.at((int) operation & 0xff);
  }

  /** The linear address of an access that is not {@link #WIDE}, sign-extended from 57 bits. */
  public static @Gva long linear(long operation) {
    return Addresses.gva(operation << 7 >> 7);
  }

  /** Whether the word can hold the address. */
  public static boolean fits(@Gva long linear) {
    return linear << 7 >> 7 == linear;
  }
}
