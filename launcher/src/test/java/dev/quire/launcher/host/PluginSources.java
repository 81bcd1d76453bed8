// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

/** Plug-ins in Java source, with the package, the class and the name of the provider left open. */
final class PluginSources {
  /** A backend that does nothing but have a name. */
  static final String BACKEND =
      """
      package %s;

      import dev.quire.api.domain.Domain;
      import dev.quire.api.paging.*;
      import java.util.Set;

      public class %s implements PagingBackend {
        @Override public String name() { return "%s"; }
        @Override public String description() { return "A backend of a third party."; }
        @Override public Set<Feature> features() { return Set.of(Feature.IDENTITY); }
        @Override public PagingDomain attach(Domain domain) {
          throw new BackendUnavailableException("this backend serves nobody");
        }
      }
      """;

  /** A workload that makes a few accesses, and differs as often as it is told. */
  static final String WORKLOAD =
      """
      package %s;

      import dev.quire.api.address.Addresses;
      import dev.quire.api.domain.Domain;
      import dev.quire.api.guest.*;
      import dev.quire.api.hw.OperationBlock;
      import dev.quire.api.x86.Access;
      import java.util.*;

      public class %s implements WorkloadFactory {
        @Override public String name() { return "%s"; }

        @Override public Workload open(Map<String, String> options) {
          long differences = Long.parseLong(options.getOrDefault("differences", "0"));
          if (differences < 0) {
            throw new InputException("differences=" + differences + ": not a count");
          }
          return new Workload() {
            @Override public Needs needs() { return new Needs(16 << 20, 1); }
            @Override public void close() {}
            @Override public WorkloadReport run(
                Domain domain, Toolstack toolstack, WorkloadMonitor monitor) {
              OperationBlock block = new OperationBlock(100);
              for (int i = 0; i < 100; i++) {
                block.probe(Access.of(0, false, false), Addresses.gva(i * 4096L));
              }
              var result = domain.vcpu(0).run(block);
              return new WorkloadReport(
                  differences,
                  Collections.nCopies((int) Math.min(differences, 5), "it differs"),
                  Map.of("result", result.toString()),
                  true);
            }
          };
        }
      }
      """;

  /** A translation cache that remembers nothing. */
  static final String CACHE =
      """
      package %s;

      import dev.quire.api.hw.*;

      public class %s implements TranslationCacheFactory {
        @Override public String name() { return "%s"; }

        @Override public TranslationCache create(int cpu, Counters counters) {
          return new TranslationCache() {
            @Override public long lookup(long access) { return MISS; }
            @Override public void fill(long access, long translation) {}
            @Override public void drop(long access) {}
            @Override public void contextChanged(TranslationContext context) {}
            @Override public void dropAll() {}
            @Override public void dropTag(int tag) {}
            @Override public void dropNonGlobal() {}
            @Override public void dropPcid(int pcid) {}
            @Override public void dropPage(int pcid, long linear, boolean globals) {}
            @Override public void forEach(EntryVisitor visitor) {}
          };
        }
      }
      """;

  private PluginSources() {}

  static String of(String template, String className, String name) {
    int dot = className.lastIndexOf('.');
    return template.formatted(className.substring(0, dot), className.substring(dot + 1), name);
  }
}
