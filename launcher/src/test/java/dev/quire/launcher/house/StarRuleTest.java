// SPDX-License-Identifier: Apache-2.0

package dev.quire.launcher.house;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The rooms and the doors between them: every bundle sees the API and nothing else of ours. */
class StarRuleTest {
  private static final DescribedPredicate<JavaClass> JAVA_OR_API =
      resideInAnyPackage("java..", "dev.quire.api..");
  private static final DescribedPredicate<JavaClass> ANNOTATION =
      resideInAnyPackage(
          "org.jspecify.annotations..",
          "org.checkerframework..",
          "org.osgi.annotation..",
          "aQute.bnd.annotation..");
  private static final int LARGEST_API_PACKAGE = 30;

  private static JavaClasses house;

  @BeforeAll
  static void read() {
    house =
        new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.quire");
  }

  /** Without this an import that finds nothing would pass every rule below. */
  @ParameterizedTest
  @CsvSource({"api", "hw", "hypervisor", "paging.hap", "paging.pv", "guest", "launcher"})
  void everyRoomIsRead(String room) {
    assertThat(house.that(resideInAPackage("dev.quire." + room + ".."))).isNotEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "api,",
    "hw,",
    "hypervisor,",
    "paging.hap,",
    "paging.pv,",
    "guest,com.github.luben.zstd.."
  })
  void bundleDependsOnTheApiOnly(String room, String library) {
    String own = "dev.quire." + room + "..";
    String embedded = library == null ? own : library;
    classes()
        .that(resideInAPackage(own))
        .should()
        .onlyDependOnClassesThat(JAVA_OR_API.or(ANNOTATION).or(resideInAnyPackage(own, embedded)))
        .check(house);
  }

  @Test
  void launcherMeetsBundlesThroughServicesOnly() {
    noClasses()
        .that(resideInAPackage("dev.quire.launcher.."))
        .should()
        .dependOnClassesThat(
            resideInAnyPackage(
                "dev.quire.hw..",
                "dev.quire.hypervisor..",
                "dev.quire.paging..",
                "dev.quire.guest.."))
        .check(house);
  }

  /** Guice 7 leaves a {@code javax.inject} field null without a word. */
  @Test
  void nobodyUsesOldInjectionOrGuava() {
    noClasses()
        .should()
        .dependOnClassesThat(resideInAnyPackage("javax.inject..", "com.google.common.."))
        .check(house);
  }

  /** The API's packages name each other as the things they stand for do; nobody else's may. */
  @Test
  void packagesAreFreeOfCycles() {
    slices()
        .matching("dev.quire.(**)")
        .should()
        .beFreeOfCycles()
        .check(house.that(outside("dev.quire.api..")));
  }

  @Test
  void bundlesLogAndNeverPrint() {
    JavaClasses bundles = house.that(outside("dev.quire.launcher.."));
    NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(bundles);
    NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING.check(house);
  }

  @Test
  void publicPackagesStaySmall() {
    Map<String, Long> publicTypes =
        house.that(resideInAPackage("dev.quire.api..")).stream()
            .filter(c -> c.getModifiers().contains(JavaModifier.PUBLIC))
            .filter(JavaClass::isTopLevelClass)
            .collect(
                Collectors.groupingBy(
                    JavaClass::getPackageName, TreeMap::new, Collectors.counting()));
    assertThat(publicTypes).isNotEmpty();
    assertThat(publicTypes)
        .allSatisfy((name, types) -> assertThat(types).isLessThanOrEqualTo(LARGEST_API_PACKAGE));
  }

  private static DescribedPredicate<JavaClass> outside(String pattern) {
    return DescribedPredicate.not(resideInAPackage(pattern));
  }
}
