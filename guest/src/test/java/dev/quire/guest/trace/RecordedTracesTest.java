// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.x86.Access;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every recording holds what the tables in the description of the format say it holds. */
class RecordedTracesTest {
  private static final int BLOCK = 4096;

  /** Counts by tag, and of ACCESS records by kind. */
  private static final class Counts {
    final long[] records = new long[256];
    long instructions;
    long accesses;
    long reads;
    long writes;
    long fetches;
    long user;
    long stores;
    long walkerStores;

    Counts(Path file) {
      long[] operations = new long[BLOCK];
      try (TraceReader reader = TraceReader.open(file)) {
        long[] places = new long[BLOCK];
        for (int tag = -1; tag != dev.quire.guest.trace.Tag.END; ) {
          int count = reader.accesses(operations, places, 0, BLOCK);
          accesses(operations, count);
          if (count < BLOCK) {
            tag = reader.next();
            record(reader, tag);
          }
        }
        instructions = reader.instructions() - reader.header().startInstruction();
        assertThat(reader.record() + 1).isEqualTo(accesses + total());
      }
    }

    private void accesses(long[] operations, int count) {
      accesses += count;
      for (int i = 0; i < count; i++) {
        long operation = operations[i];
        user += (operation & Access.USER) != 0 ? 1 : 0;
        fetches += (operation & Access.FETCH) != 0 ? 1 : 0;
        writes += (operation & Access.WRITE) != 0 ? 1 : 0;
      }
      reads = accesses - fetches - writes;
    }

    private void record(TraceReader reader, int tag) {
      records[tag]++;
      if (tag == dev.quire.guest.trace.Tag.PTSTORE) {
        stores += reader.storeCount();
        walkerStores += reader.storedByWalker() ? 1 : 0;
      }
    }

    private long total() {
      long total = 0;
      for (long count : records) {
        total += count;
      }
      return total;
    }
  }

  @ParameterizedTest
  @CsvSource({
    "linux-686-2level, 8939155246, 19639, 82906, 0, 592, 33, 0, 0, 0, 4084, 1, "
        + "790, 739, 847076, 4175030, 3336, 867065, 47146"
  })
  void exampleBoot(
      String name,
      long instructions,
      long cr3,
      long invlpg,
      long invpcid,
      long cr0,
      long cr4,
      long efer,
      long pkru,
      long pdpte,
      long irq,
      long hlt,
      long ptpage,
      long retire,
      long storeRecords,
      long stores,
      long walkerStores,
      long fill,
      long fault) {
    Counts counts = new Counts(Traces.recorded(name + ".base"));
    assertThat(counts.instructions).isEqualTo(instructions);
    assertThat(counts.records[0x03]).isEqualTo(cr3);
    assertThat(counts.records[0x07]).isEqualTo(invlpg);
    assertThat(counts.records[0x08]).isEqualTo(invpcid);
    assertThat(counts.records[0x02]).isEqualTo(cr0);
    assertThat(counts.records[0x04]).isEqualTo(cr4);
    assertThat(counts.records[0x05]).isEqualTo(efer);
    assertThat(counts.records[0x06]).isEqualTo(pkru);
    assertThat(counts.records[0x09]).isEqualTo(pdpte);
    assertThat(counts.records[0x24]).isEqualTo(irq);
    assertThat(counts.records[0x25]).isEqualTo(hlt);
    assertThat(counts.records[0x0B]).isEqualTo(ptpage);
    assertThat(counts.records[0x20]).isEqualTo(retire);
    assertThat(counts.records[0x0C]).isEqualTo(storeRecords);
    assertThat(counts.stores).isEqualTo(stores);
    assertThat(counts.walkerStores).isEqualTo(walkerStores);
    assertThat(counts.records[0x0D]).isEqualTo(fill);
    assertThat(counts.records[0x0E]).isEqualTo(fault);
  }

  @Tag("long")
  @ParameterizedTest
  @CsvSource({
    "linux-686pae-3level-pti, 9104535086, 255901, 262409, 0, 594, 46, 1, 0, 255954, 4171, 1, "
        + "2269, 2154, 2414394, 13246417, 2993, 10667571, 47016",
    "linux-amd64-4level-nopti, 3342488431, 21305, 22347, 0, 847, 63, 2, 0, 0, 2019, 4401, "
        + "538, 430, 934481, 4019204, 3017, 4057189, 49212",
    "linux-amd64-5level-pku, 3362070835, 21321, 22889, 8003, 849, 21, 2, 1005, 0, 2051, 1, "
        + "577, 454, 947108, 4522611, 2974, 5457366, 49602",
    "memtest86plus-ia32-pae, 120500000, 1, 0, 0, 438, 1, 0, 0, 2, 0, 0, "
        + "2, 0, 12, 12, 12, 14499361, 0",
    "memtest86plus-x64-4level, 120500000, 2, 0, 0, 437, 1, 1, 0, 0, 0, 0, "
        + "3, 0, 21, 21, 16, 1883130, 0"
  })
  void otherBoots(
      String name,
      long instructions,
      long cr3,
      long invlpg,
      long invpcid,
      long cr0,
      long cr4,
      long efer,
      long pkru,
      long pdpte,
      long irq,
      long hlt,
      long ptpage,
      long retire,
      long storeRecords,
      long stores,
      long walkerStores,
      long fill,
      long fault) {
    exampleBoot(
        name,
        instructions,
        cr3,
        invlpg,
        invpcid,
        cr0,
        cr4,
        efer,
        pkru,
        pdpte,
        irq,
        hlt,
        ptpage,
        retire,
        storeRecords,
        stores,
        walkerStores,
        fill,
        fault);
  }

  @Tag("long")
  @ParameterizedTest
  @CsvSource({
    "linux-686-2level.win1, 11088288, 3051938, 2137137, 10754102, 56823, 13800502, "
        + "9, 36, 2395, 181, 44, 14989",
    "linux-686pae-3level-pti.win1, 11080899, 3055969, 2161202, 10716279, 66550, 13272995, "
        + "519, 613, 17114, 169, 103, 41590",
    "linux-amd64-4level-nopti.win1, 12125967, 2343780, 1691641, 11923806, 40773, 13931027, "
        + "9, 40, 17072, 197, 99, 15736",
    "linux-amd64-4level-nopti.win3, 11527428, 2761012, 2138566, 10929164, 171258, 1017955, "
        + "125, 249, 18575, 931, 95, 143950",
    "linux-amd64-5level-pku.win1, 11834904, 2596215, 1749899, 11613129, 40757, 13810057, "
        + "9, 41, 17150, 196, 107, 17796"
  })
  void windows(
      String name,
      long instructions,
      long reads,
      long writes,
      long fetches,
      long rmw,
      long user,
      long cr3,
      long invlpg,
      long fill,
      long fault,
      long ptpage,
      long storeRecords) {
    Counts counts = new Counts(Traces.recorded(name));
    assertThat(counts.accesses).isEqualTo(16_000_000);
    assertThat(counts.instructions).isEqualTo(instructions);
    assertThat(counts.reads).isEqualTo(reads);
    assertThat(counts.writes).isEqualTo(writes + rmw);
    assertThat(counts.fetches).isEqualTo(fetches);
    assertThat(counts.user).isEqualTo(user);
    assertThat(counts.records[0x03]).isEqualTo(cr3);
    assertThat(counts.records[0x07]).isEqualTo(invlpg);
    assertThat(counts.records[0x0D]).isEqualTo(fill);
    assertThat(counts.records[0x0E]).isEqualTo(fault);
    assertThat(counts.records[0x0B]).isEqualTo(ptpage);
    assertThat(counts.records[0x0C]).isEqualTo(storeRecords);
  }

  /**
   * Cut after a million accesses; the counts of the other records were taken by a second reader.
   */
  @ParameterizedTest
  @CsvSource({
    "linux-amd64-4level-nopti.small, 95, 11281, 2031, 54, 9, 14, 351",
    "linux-amd64-5level-pku.small, 98, 12315, 2822, 53, 8, 15, 342",
    "linux-686-2level.small, 40, 9454, 1245, 39, 7, 8, 334",
    "linux-686pae-3level-pti.small, 102, 20723, 4089, 36, 114, 134, 332"
  })
  void smallWindows(
      String name,
      long ptpage,
      long storeRecords,
      long fill,
      long fault,
      long cr3,
      long invlpg,
      long tick) {
    Counts counts = new Counts(Traces.recorded(name));
    assertThat(counts.accesses).isEqualTo(1_000_000);
    assertThat(counts.records[0x0B]).isEqualTo(ptpage);
    assertThat(counts.records[0x0C]).isEqualTo(storeRecords);
    assertThat(counts.records[0x0D]).isEqualTo(fill);
    assertThat(counts.records[0x0E]).isEqualTo(fault);
    assertThat(counts.records[0x03]).isEqualTo(cr3);
    assertThat(counts.records[0x07]).isEqualTo(invlpg);
    assertThat(counts.records[0x01]).isEqualTo(tick);
  }
}
