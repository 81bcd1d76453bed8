// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.anyInt;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.Mockito.lenient;
import static org.mockito.Mockito.mock;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.LogDirty;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.PagingDomain;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A domain of 64 frames, gfn 0 on mfn 100 and so on, of which nothing is real but the map from one
 * to the other and the contents of frames; tests say what else answers wrongly.
 */
final class PaperGuest {
  static final int FRAMES = 64;

  final Domain domain = mock(Domain.class);
  final P2m p2m = mock(P2m.class);
  final LogDirty log = mock(LogDirty.class);
  final PagingDomain paging = mock(PagingDomain.class);
  final Toolstack toolstack = mock(Toolstack.class);
  final PhysicalMemory machineMemory = mock(PhysicalMemory.class);
  final Map<Long, Long> map = new TreeMap<>();
  final Map<Long, long[]> contents = new TreeMap<>();
  final List<String> found = new ArrayList<>();
  final Findings findings = new Findings(found::add);
  final GuestMemory memory;

  PaperGuest() {
    this(Placement.SCATTERED, 100);
  }

  PaperGuest(Placement placement, long firstMfn) {
    DomainSpec spec = DomainSpec.hvm(1, FRAMES).withPlacement(placement);
    lenient().when(domain.spec()).thenReturn(spec);
    lenient().when(domain.isTranslated()).thenReturn(true);
    lenient().when(domain.p2m()).thenReturn(p2m);
    lenient().when(domain.logDirty()).thenReturn(log);
    lenient().when(domain.paging()).thenReturn(paging);
    lenient().when(domain.backend()).thenReturn("one");
    lenient()
        .when(domain.gfnToMfn(anyLong()))
        .thenAnswer(it -> map.getOrDefault(it.getArgument(0), -1L));
    Machine machine = mock(Machine.class);
    lenient().when(domain.machine()).thenReturn(machine);
    lenient().when(machine.memory()).thenReturn(machineMemory);
    lenient().when(machineMemory.isHome(anyLong())).thenReturn(true);
    lenient().when(machineMemory.frame(anyLong())).thenAnswer(it -> content(it.getArgument(0)));
    lenient()
        .when(machineMemory.frameToRead(anyLong()))
        .thenAnswer(it -> content(it.getArgument(0)));
    for (long gfn = 0; gfn < FRAMES; gfn++) {
      map.put(gfn, firstMfn + gfn);
    }
    answers();
    memory = new GuestMemory(domain);
  }

  private void answers() {
    lenient().when(p2m.get(anyLong())).thenAnswer(it -> entry(it.getArgument(0)));
    lenient()
        .when(p2m.remove(anyLong(), anyLong(), anyInt()))
        .thenAnswer(
            it ->
                map.remove((Long) it.getArgument(0), (Long) it.getArgument(1))
                    ? Errno.OK
                    : Errno.EILSEQ);
    lenient()
        .when(p2m.add(anyLong(), anyLong(), anyInt(), any()))
        .thenAnswer(
            it -> {
              map.put(it.getArgument(0), it.getArgument(1));
              return Errno.OK;
            });
    lenient().when(p2m.changeType(anyLong(), any(), any())).thenReturn(Errno.OK);
    lenient().when(p2m.changeTypeRange(anyLong(), anyLong(), any(), any())).thenReturn(Errno.OK);
    lenient().when(p2m.changeTypeGlobal(any(), any())).thenReturn(Errno.OK);
    lenient().when(p2m.recalculate(anyLong())).thenReturn(Errno.ENOENT);
    lenient().when(p2m.shatter(anyLong())).thenReturn(Errno.OK);
    lenient().when(log.enable()).thenReturn(Errno.OK);
    lenient().when(log.disable()).thenReturn(Errno.OK);
    lenient().when(log.clean(any(), anyLong())).thenReturn(Errno.OK);
    lenient().when(log.peek(any(), anyLong())).thenReturn(Errno.OK);
    lenient().when(log.trackRange(anyLong(), anyLong(), any())).thenReturn(Errno.OK);
  }

  private long entry(long gfn) {
    Long mfn = map.get(gfn);
    return mfn == null
        ? P2mEntry.without(P2mType.MMIO_DM, P2mAccess.N, 0)
        : P2mEntry.of(mfn, P2mType.RAM_RW, P2mAccess.RWX, 0);
  }

  long[] content(long mfn) {
    return contents.computeIfAbsent(mfn, it -> new long[PhysicalMemory.FRAME_LONGS]);
  }
}
