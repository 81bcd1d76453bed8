// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.nativepaging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.when;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.Registers;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.hw.memory.SparseMemory;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class NativeBackendTest {
  private final NativeBackend backend = new NativeBackend();
  private final SparseMemory memory = new SparseMemory(List.of(new Ram(0, 1 << 20)));
  private final Domain domain = mock(Domain.class);
  private final Vcpu vcpu = mock(Vcpu.class);
  private final Registers guest = new Registers();
  private final ControlBlock control = new ControlBlock();

  @BeforeEach
  void makeAnOwner() {
    Machine machine = mock(Machine.class);
    when(machine.memory()).thenReturn(memory);
    when(domain.machine()).thenReturn(machine);
    when(domain.isIdentity()).thenReturn(true);
    when(vcpu.domain()).thenReturn(domain);
    when(vcpu.registers()).thenReturn(guest);
    when(vcpu.control()).thenReturn(control);
  }

  private PagingMode mode() {
    return backend.attach(domain).updatePagingModes(vcpu);
  }

  @Test
  void itIsAnIdentityBackendAndNothingElse() {
    assertThat(backend.name()).isEqualTo("native");
    assertThat(backend.features()).containsExactly(Feature.IDENTITY);
    assertThat(backend.description()).isNotEmpty();
  }

  @Test
  void itServesNoDomainWhoseFramesAreNotTheMachines() {
    when(domain.isIdentity()).thenReturn(false);
    assertThatThrownBy(() -> backend.attach(domain))
        .isInstanceOf(BackendUnavailableException.class);
  }

  @Test
  void theHardwareRunsWithTheGuestsRegistersAndNothingExits() {
    control.interceptRegisters(-1, true, -1, true, true);
    control.interceptInvalidation(true);
    control.interceptPageFaults(0, 0);
    guest.cr0 = Cr0.PE | Cr0.PG;
    guest.cr3 = 0x5000;
    guest.pdptes[2] = 7;
    mode();
    assertThat(control.registers()).usingRecursiveComparison().isEqualTo(guest);
    assertThat(control.cr0Intercepts() | control.cr4Intercepts()).isZero();
    assertThat(control.cr3Intercepted()).isFalse();
    assertThat(control.eferIntercepted()).isFalse();
    assertThat(control.keysIntercepted()).isFalse();
    assertThat(control.invalidationIntercepted()).isFalse();
    assertThat(control.interceptsPageFault(0)).isFalse();
  }

  @Test
  void levelsAreThoseOfTheGuestJustNow() {
    PagingMode mode = mode();
    assertThat(mode.guestLevels()).isEqualTo(1);
    guest.cr0 = Cr0.PE | Cr0.PG;
    assertThat(mode.guestLevels()).isEqualTo(2);
    guest.cr4 = Cr4.PAE;
    assertThat(mode.guestLevels()).isEqualTo(3);
    guest.efer = Efer.LME | Efer.LMA;
    assertThat(mode.guestLevels()).isEqualTo(4);
    guest.cr4 |= Cr4.LA57;
    assertThat(mode.guestLevels()).isEqualTo(5);
    assertThat(mode.hardwareLevels()).isEqualTo(5);
  }

  @Test
  void entriesAreWrittenWhereTheyLie() {
    PagingMode mode = mode();
    mode.writeGuestEntry(vcpu, 3, 8, 4, 0x1_2345_6789L);
    assertThat(memory.load(0x3008, 8)).isEqualTo(0x2345_6789L);
    assertThat(mode.compareExchangeGuestEntry(vcpu, 3, 8, 8, 1, 2)).isEqualTo(0x2345_6789L);
    assertThat(mode.compareExchangeGuestEntry(vcpu, 3, 8, 8, 0x2345_6789L, 2))
        .isEqualTo(0x2345_6789L);
    assertThat(memory.load(0x3008, 8)).isEqualTo(2);
  }

  @Test
  void invalidationsAreTheHardwaresAndWalksTheGuests() {
    PagingMode mode = mode();
    assertThat(mode.invalidate(vcpu, 0x1000)).isTrue();
    when(vcpu.translate(0x1000, 5, null)).thenReturn(77L);
    assertThat(mode.translate(vcpu, 0x1000, 5, null)).isEqualTo(77);
    guest.cr3 = 0x9000;
    mode.updateCr3(vcpu, false);
    assertThat(control.registers().cr3).isEqualTo(0x9000);
  }

  @Test
  void aPageFaultThatComesAnywayIsAMistakeOfOurs() {
    assertThatThrownBy(() -> mode().pageFault(vcpu)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void thereIsNothingToKeepTrueAndNothingToLetGo() {
    PagingDomain paging = backend.attach(domain);
    paging.guestMemoryChanged(0, 1);
    paging.detach();
    assertThat(paging.audit()).isEmpty();
    assertThat(paging.statistics()).isEmpty();
  }
}
