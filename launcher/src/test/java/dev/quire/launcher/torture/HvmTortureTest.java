// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.PagingBackend;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.StandardHypervisorFactory;
import dev.quire.launcher.torture.HvmTorture.Findings;
import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Torture of HVM guests: that sound backends stand it, and that what is wrong is found. */
class HvmTortureTest {
  private static final String[] BACKENDS = {
    "native", "shadow", "shadow-classic", "hap-npt", "hap-ept"
  };

  @TempDir Path folder;

  private static HvmTorture torture(MachineFactory machines, String... names) {
    Map<String, PagingBackend> backends = new LinkedHashMap<>();
    for (String name : names) {
      backends.put(name, backend(name));
    }
    return new HvmTorture(machines, new StandardHypervisorFactory(), backends);
  }

  private static PagingBackend backend(String name) {
    return ServiceLoader.load(PagingBackend.class).stream()
        .map(ServiceLoader.Provider::get)
        .filter(it -> it.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void soundBackendsStandItAndSometimesUseOldTranslations() {
    Findings findings =
        torture(new X86MachineFactory(), BACKENDS).run(5, 20_000, 2, false, done -> {});
    assertThat(findings.failure()).isEmpty();
    assertThat(findings.operations()).isEqualTo(20_000);
    findings
        .counts()
        .forEach(
            (name, counts) -> {
              assertThat(counts.get("accesses with one outcome")).as(name).isGreaterThan(2_000);
              assertThat(counts.get("served by the old one")).as(name).isPositive();
              assertThat(counts.get("page faults")).as(name).isGreaterThan(1_000);
            });
  }

  @Test
  void whereEverythingIsInvalidatedNothingIsServedByOldTranslations() {
    Findings findings =
        torture(new X86MachineFactory(), BACKENDS).run(6, 20_000, 2, true, done -> {});
    assertThat(findings.failure()).isEmpty();
    findings
        .counts()
        .forEach(
            (name, counts) -> assertThat(counts.get("served by the old one")).as(name).isZero());
  }

  /** One vCPU: what another one does is never what makes the difference. */
  @ParameterizedTest
  @EnumSource(
      value = Operation.Kind.class,
      names = {"INVLPG", "INVPCID"})
  void aCpuThatIgnoresAnInvalidationIsFoundAndTheFailureIsShrunkAndReplayed(Operation.Kind ignored)
      throws IOException {
    MachineFactory deaf = ignoring(ignored);
    List<String> failure = torture(deaf, "native").run(1, 400_000, 1, false, done -> {}).failure();
    assertThat(failure).hasSizeBetween(3, 16); // an INVPCID that does nothing misses a #GP at once
    assertThat(failure).anyMatch(line -> line.startsWith("v0 inv"));
    Path program = Files.write(folder.resolve("program"), failure);
    assertThat(torture(deaf, "native").run(program).failure()).isEqualTo(failure);
    assertThat(torture(new X86MachineFactory(), "native").run(program).failure()).isEmpty();
  }

  /**
   * INVLPG drops structure entries of every address, so a root may be behind for none afterwards.
   */
  @Test
  void whatTortureOnceFoundInShadowClassicIsFoundNoMore() throws Exception {
    URL program = HvmTortureTest.class.getResource("invlpg-of-another-address.txt");
    Path file = Path.of(Objects.requireNonNull(program).toURI());
    Findings findings = torture(new X86MachineFactory(), BACKENDS).run(file);
    assertThat(findings.failure()).isEmpty();
    assertThat(findings.operations()).isEqualTo(15);
  }

  @Test
  void theSameSeedMakesTheSameProgram() {
    GuestProgram.Plan plan = new GuestProgram.Plan(2, 2, 0, false);
    List<GuestOperation> program = List.copyOf(new ProgramSource(plan, 7).next(500));
    assertThat(new ProgramSource(plan, 7).next(500)).isEqualTo(program);
    assertThat(new ProgramSource(plan, 8).next(500)).isNotEqualTo(program);
  }

  // ---- CPUs with a defect ----

  /** Machines whose CPUs take an instruction for one that does nothing. */
  private static MachineFactory ignoring(Operation.Kind kind) {
    MachineFactory real = new X86MachineFactory();
    return between(
        MachineFactory.class,
        (proxy, method, arguments) -> {
          Object result = method.invoke(real, arguments);
          return method.getName().equals("create") ? machine((Machine) result, kind) : result;
        });
  }

  private static Machine machine(Machine real, Operation.Kind kind) {
    return between(
        Machine.class,
        (proxy, method, arguments) -> {
          Object result = method.invoke(real, arguments);
          return method.getName().equals("cpu") ? cpu((Cpu) result, kind) : result;
        });
  }

  private static Cpu cpu(Cpu real, Operation.Kind kind) {
    return between(
        Cpu.class,
        (proxy, method, arguments) -> {
          if (method.getName().equals("enter")) {
            OperationBlock block = (OperationBlock) arguments[1];
            long operation = block.operations()[block.next()];
            if (Operation.isControl(operation) && Operation.kind(operation) == kind) {
              block.next(block.next() + 1);
              return ExitReason.DONE;
            }
          }
          return method.invoke(real, arguments);
        });
  }

  private static <T> T between(Class<T> type, InvocationHandler handler) {
    return type.cast(
        Proxy.newProxyInstance(
            HvmTortureTest.class.getClassLoader(), new Class<?>[] {type}, handler));
  }
}
