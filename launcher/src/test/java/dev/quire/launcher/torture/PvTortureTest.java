// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.StandardHypervisorFactory;
import dev.quire.launcher.torture.PvTorture.Findings;
import dev.quire.paging.pv.PvBackend;
import dev.quire.paging.pv.PvInterface;
import dev.quire.paging.shadow.ShadowBackend;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;

/** Torture of PV domains: that it ends well, and that it finds what is wrong. */
class PvTortureTest {
  private static PvTorture torture(MachineFactory machines, long seed) {
    return new PvTorture(
        machines, new StandardHypervisorFactory(), new PvInterface(), new PvBackend(), seed);
  }

  @Test
  void soundDomainsStandItAndDoMoreThanFail() {
    Findings findings = torture(new X86MachineFactory(), 3).run(3_000, done -> {});
    assertThat(findings.failure()).isEmpty();
    assertThat(findings.counts().get("entries validated")).isGreaterThan(100);
    assertThat(findings.counts().get("hypercalls")).isGreaterThan(1_000);
    assertThat(findings.counts().get("steps that ended with DONE")).isGreaterThan(1_000);
  }

  @Test
  void domainsUnderShadowStandItOnMachinesThatCache() {
    PvTorture torture =
        new PvTorture(
            new X86MachineFactory(),
            new StandardHypervisorFactory(),
            new PvInterface(),
            new ShadowBackend(),
            4);
    Findings findings = torture.run(3_000, done -> {});
    assertThat(findings.failure()).isEmpty();
    assertThat(findings.counts().get("steps that ended with DONE")).isGreaterThan(1_000);
  }

  @Test
  void domainsThatGoToShadowsAndBackSeeTheSame() {
    PvTorture torture = torture(new X86MachineFactory(), 5).swapping(new ShadowBackend(), 50);
    Findings findings = torture.run(4_000, done -> {});
    assertThat(findings.failure()).isEmpty();
    assertThat(findings.counts().get("swaps")).isGreaterThan(30);
    assertThat(findings.counts().get("dirty log: frames that had to be in it")).isGreaterThan(300);
    assertThat(findings.counts().get("stores to tables emulated")).isPositive();
  }

  @Test
  void aBackendThatIsNotToldOfAChangedEntryIsFound() {
    PvTorture torture = torture(new X86MachineFactory(), 5).swapping(untold(), 50);
    assertThat(torture.run(40_000, done -> {}).failure()).isNotEmpty();
  }

  /** Shadow paging to which nobody tells what the guest interface writes. */
  private static PagingBackend untold() {
    return between(
        PagingBackend.class,
        new ShadowBackend(),
        (name, result) -> name.equals("attach") ? untold((PagingDomain) result) : result);
  }

  private static PagingDomain untold(PagingDomain real) {
    InvocationHandler handler =
        (proxy, method, arguments) ->
            method.getName().equals("machineMemoryWritten") ? null : method.invoke(real, arguments);
    return PagingDomain.class.cast(made(PagingDomain.class, handler));
  }

  @Test
  void aCpuThatDoesNotFlushIsFoundAndTheFailureIsShrunk() {
    Findings findings = torture(deaf(), 1).run(60_000, done -> {});
    assertThat(findings.failure()).hasSizeBetween(2, 12);
    assertThat(findings.failure().get(findings.failure().size() - 1))
        .containsAnyOf("wrote frame", "reached frame", "counted anew");
  }

  @Test
  void theSameSeedMakesTheSameSteps() {
    assertThat(TortureStep.of(5, 77, 40)).isEqualTo(TortureStep.of(5, 77, 40));
    assertThat(TortureStep.of(5, 77, 40)).isNotEqualTo(TortureStep.of(6, 77, 40));
  }

  /** Machines whose CPUs ignore whole flushes. */
  private static MachineFactory deaf() {
    return between(
        MachineFactory.class,
        new X86MachineFactory(),
        (name, result) -> name.equals("create") ? deaf((Machine) result) : result);
  }

  private static Machine deaf(Machine real) {
    return between(
        Machine.class, real, (name, result) -> name.equals("cpu") ? deaf((Cpu) result) : result);
  }

  private static Cpu deaf(Cpu real) {
    InvocationHandler handler =
        (proxy, method, arguments) ->
            method.getName().equals("flush") ? null : method.invoke(real, arguments);
    return Cpu.class.cast(made(Cpu.class, handler));
  }

  private static <T> T between(Class<T> type, T real, BiFunction<String, Object, Object> changed) {
    InvocationHandler handler =
        (proxy, method, arguments) ->
            changed.apply(method.getName(), invoke(method, real, arguments));
    return type.cast(made(type, handler));
  }

  private static Object invoke(Method method, Object real, Object[] arguments)
      throws ReflectiveOperationException {
    return method.invoke(real, arguments);
  }

  private static Object made(Class<?> type, InvocationHandler handler) {
    return Proxy.newProxyInstance(
        PvTortureTest.class.getClassLoader(), new Class<?>[] {type}, handler);
  }
}
