// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Domain;
import dev.quire.api.hw.OperationBlock;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PhysicalCpuTest {
  private static final int MANY = 200;

  private final FakeMachine machine = FakeMachine.ofFrames(2, 64);
  private final Domain domain =
      new MachineHypervisor(machine).createDomain(new FakeBackend(), Specs.row(MANY, 64));

  private GuestVcpu vcpu(int number) {
    return (GuestVcpu) domain.vcpu(number);
  }

  @Test
  void aVcpuKeepsItsTagWhileItStays() {
    PhysicalCpu cpu = new PhysicalCpu(machine.cpu(0));
    cpu.admit(vcpu(0));
    int tag = vcpu(0).control().tag();
    cpu.admit(vcpu(1));
    cpu.admit(vcpu(0));
    assertThat(vcpu(0).control().tag()).isEqualTo(tag).isNotEqualTo(vcpu(1).control().tag());
    assertThat(machine.cpu(0).flushes).isEmpty();
  }

  @Test
  void tagZeroIsTheHosts() {
    PhysicalCpu cpu = new PhysicalCpu(machine.cpu(0));
    for (int i = 0; i < MANY; i++) {
      cpu.admit(vcpu(i));
      assertThat(vcpu(i).control().tag()).isBetween(1, PhysicalCpu.TAGS);
    }
  }

  @Test
  void everythingIsFlushedBeforeATagIsUsedAgain() {
    PhysicalCpu cpu = new PhysicalCpu(machine.cpu(0));
    for (int i = 0; i < PhysicalCpu.TAGS; i++) {
      cpu.admit(vcpu(i));
    }
    assertThat(machine.cpu(0).flushes).isEmpty();
    cpu.admit(vcpu(PhysicalCpu.TAGS));
    assertThat(machine.cpu(0).flushes).containsExactly("all");
    assertThat(vcpu(PhysicalCpu.TAGS).control().tag()).isEqualTo(1);
  }

  @Test
  void aVcpuThatComesBackToACpuHasANewTag() {
    PhysicalCpu first = new PhysicalCpu(machine.cpu(0));
    PhysicalCpu second = new PhysicalCpu(machine.cpu(1));
    first.admit(vcpu(0));
    int before = vcpu(0).control().tag();
    second.admit(vcpu(0));
    first.admit(vcpu(0));
    assertThat(vcpu(0).control().tag()).isNotEqualTo(before);
  }

  /** Between two flushes of a CPU, a tag never stands for two vCPUs, nor for two visits of one. */
  @Test
  void noTwoVisitsShareATagWithinAGeneration() {
    PhysicalCpu[] cpus = {new PhysicalCpu(machine.cpu(0)), new PhysicalCpu(machine.cpu(1))};
    Map<String, String> uses = new HashMap<>();
    int[] visits = new int[MANY];
    int[] last = new int[MANY];
    Random random = new Random(5);
    for (int i = 0; i < 20_000; i++) {
      int number = random.nextInt(random.nextBoolean() ? 4 : MANY);
      int at = random.nextInt(8) == 0 ? 1 - last[number] : last[number];
      visits[number] += at == last[number] ? 0 : 1;
      last[number] = at;
      cpus[at].admit(vcpu(number));
      int flushes = machine.cpu(at).flushes.size();
      String use = at + "/" + flushes + "/" + vcpu(number).control().tag();
      String user = number + "/" + visits[number];
      assertThat(uses.putIfAbsent(use, user)).isIn(null, user);
    }
    assertThat(machine.cpu(0).flushes).hasSizeGreaterThan(10);
  }

  @Test
  void runningAVcpuUsesItsTag() {
    vcpu(0).run(new OperationBlock(1));
    vcpu(2).run(new OperationBlock(1));
    vcpu(0).run(new OperationBlock(1));
    assertThat(machine.cpu(0).tags).containsExactly(1, 2, 1);
  }
}
