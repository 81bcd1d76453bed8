// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.guest.InputException;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.paging.BackendUnavailableException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** Gives the running domain to another backend. */
final class BackendSwaps implements Disturbance {
  private final GuestMemory memory;
  private final Balloon balloon;
  private final Toolstack toolstack;
  private final Findings findings;
  private final List<String> names;
  private final Map<String, Long> byPair = new TreeMap<>();

  /**
   * Swaps between backends.
   *
   * @param among their names; empty for all that can serve the domain
   * @throws InputException if one of them is not there or cannot serve the domain
   */
  BackendSwaps(
      GuestMemory memory,
      Balloon balloon,
      Toolstack toolstack,
      List<String> among,
      Findings findings) {
    this.memory = memory;
    this.balloon = balloon;
    this.toolstack = toolstack;
    this.findings = findings;
    List<String> able = toolstack.backends(memory.domain());
    for (String name : among) {
      if (!able.contains(name)) {
        throw new InputException(
            "swap-among: no backend \"" + name + "\" can serve this domain; there are: " + able);
      }
    }
    names = among.isEmpty() ? List.copyOf(able) : List.copyOf(among);
  }

  @Override
  public String title() {
    return "backend swaps";
  }

  /** What is swapped between. */
  List<String> names() {
    return names;
  }

  /** How often, by pair: "hap-npt to hap-ept". */
  Map<String, Long> byPair() {
    return byPair;
  }

  @Override
  public boolean isPossible() {
    return !others().isEmpty();
  }

  private List<String> others() {
    List<String> others = new ArrayList<>(names);
    others.remove(memory.domain().backend());
    return others;
  }

  @Override
  public String happen(Random random) {
    String from = memory.domain().backend();
    List<String> others = others();
    String to = others.get(random.nextInt(others.size()));
    String pair = from + " to " + to;
    if (memory.isPinned()) {
      balloon.giveAllBack(); // a backend without a p2m cannot serve a guest with holes
    }
    try {
      toolstack.swap(memory.domain(), to);
    } catch (BackendUnavailableException e) {
      findings.refuse();
      return "could not swap " + pair + ": " + e.getMessage();
    }
    if (!memory.domain().backend().equals(to)) {
      findings.add("swapped " + pair + ", but the backend is " + memory.domain().backend());
    }
    byPair.merge(pair, 1L, Long::sum);
    return "swapped " + pair;
  }
}
