// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Nested;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The section {@code machine.tlb}: a preset, and what is different from it.
 *
 * @param preset the core to begin with; which there are, the machine knows
 * @param data first-level data TLBs in the place of the preset's
 * @param instructions first-level instruction TLBs
 * @param second second-level TLBs
 * @param structures paging-structure caches
 * @param nested nested TLBs
 * @param nestedStructures nested paging-structure caches
 * @param replacement how a victim is chosen
 */
public record TlbSettings(
    Setting<String> preset,
    Optional<List<Tlb>> data,
    Optional<List<Tlb>> instructions,
    Optional<List<Tlb>> second,
    Optional<List<Array>> structures,
    Optional<List<Tlb>> nested,
    Optional<List<Array>> nestedStructures,
    Optional<Replacement> replacement) {

  /** The entries that paging-structure caches hold, from level 2 up. */
  private static final List<String> STRUCTURES = List.of("pde", "pdpte", "pml4e", "pml5e");

  /** Sizes of pages as people write them; index is the bit in {@link Tlb#sizes}. */
  private static final List<String> SIZES = List.of("4k", "2m", "1g");

  static TlbSettings read(Section section) {
    TlbSettings settings =
        new TlbSettings(
            section.named("preset"),
            tlbs(section, "data"),
            tlbs(section, "instructions"),
            tlbs(section, "second"),
            structures(section, "structures"),
            tlbs(section, "nested"),
            structures(section, "nested-structures"),
            section.has("replacement")
                ? Optional.of(section.choice("replacement", Replacement.class))
                : Optional.empty());
    section.end();
    return settings;
  }

  private static Optional<List<Tlb>> tlbs(Section section, String key) {
    if (!section.has(key)) {
      return Optional.empty();
    }
    List<Tlb> tlbs = new ArrayList<>();
    for (Section one : section.sections(key)) {
      tlbs.add(new Tlb(array(one), sizes(one)));
      one.end();
    }
    return Optional.of(tlbs);
  }

  private static int sizes(Section section) {
    int sizes = 0;
    for (Setting<String> size : section.texts("sizes")) {
      sizes |= 1 << pageSize(section, "sizes", size.value());
    }
    return sizes;
  }

  /** A page size as people write it: 0 for 4 KiB, 1 for 2 MiB, 2 for 1 GiB. */
  static int pageSize(Section section, String key, String written) {
    int size = SIZES.indexOf(written.toLowerCase(Locale.ROOT));
    if (size < 0) {
      throw section.bad(key, "no \"" + written + "\"; there are: " + String.join(", ", SIZES));
    }
    return size;
  }

  private static Optional<List<Array>> structures(Section section, String key) {
    if (!section.has(key)) {
      return Optional.empty();
    }
    Section structures = section.section(key);
    List<Array> arrays = new ArrayList<>();
    for (String entry : STRUCTURES) {
      arrays.add(structures.has(entry) ? whole(structures.section(entry)) : Array.NONE);
    }
    structures.end();
    return Optional.of(arrays);
  }

  private static Array whole(Section section) {
    Array array = array(section);
    section.end();
    return array;
  }

  private static Array array(Section section) {
    int sets = section.number("sets", 1, 1 << 20);
    int ways = section.number("ways", 0, 64);
    try {
      return new Array(sets, ways);
    } catch (IllegalArgumentException e) {
      throw section.bad("sets", String.valueOf(e.getMessage()));
    }
  }

  /**
   * The TLBs, given those of the preset.
   *
   * @throws dev.quire.api.guest.InputException if there cannot be such TLBs
   */
  public TlbGeometry geometry(TlbGeometry base) {
    try {
      return new TlbGeometry(
          data.orElse(base.data()),
          instructions.orElse(base.instructions()),
          second.orElse(base.second()),
          structures.orElse(base.structures()),
          replacement.orElse(base.replacement()),
          new Nested(
              nested.orElse(base.nested().tlbs()),
              nestedStructures.orElse(base.nested().structures())));
    } catch (IllegalArgumentException e) {
      throw new Setting<>("", preset.place().replaceFirst("\\.preset$", ""))
          .bad(String.valueOf(e.getMessage()), e);
    }
  }

  /** Whether anything is different from the preset. */
  public boolean differsFromPreset() {
    return data.isPresent()
        || instructions.isPresent()
        || second.isPresent()
        || structures.isPresent()
        || nested.isPresent()
        || nestedStructures.isPresent()
        || replacement.isPresent();
  }
}
