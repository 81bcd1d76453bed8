// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.hw.FrameMapper;

/** Guest frames, which the domain's p2m translates. */
final class TranslatedFrames implements FrameSpace {
  private final Domain domain;
  private final P2m p2m;

  TranslatedFrames(Domain domain) {
    this.domain = domain;
    this.p2m = domain.p2m();
  }

  @Override
  public long entry(@Gfn long gfn) {
    return p2m.get(gfn);
  }

  @Override
  public long hold(@Gfn long gfn, boolean write) {
    long target = p2m.getGfn(gfn, write ? P2m.UNSHARE : P2m.ALLOC);
    if (!write || P2mEntry.type(target) != P2mType.RAM_LOGDIRTY) {
      return target;
    }
    domain.logDirty().mark(gfn); // left behind by nested paging, which logs by type
    p2m.changeType(gfn, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
    return p2m.get(gfn);
  }

  @Override
  public boolean isTranslated() {
    return true;
  }

  @Override
  public void release(@Gfn long gfn) {
    p2m.putGfn(gfn);
  }

  @Override
  public @Gfn long number(@Mfn long mfn) {
    return domain.mfnToGfn(mfn);
  }

  @Override
  public @Gfn long logged(@Gfn long gfn) {
    return gfn;
  }

  @Override
  public @Mfn long physical(@Gfn long gfn) {
    long entry = p2m.get(gfn);
    boolean there = P2mEntry.hasFrame(entry) && P2mEntry.type(entry).isAnyRam();
    return there && P2mEntry.type(entry).isReadable()
        ? P2mEntry.mfn(entry)
        : Addresses.mfn(FrameMapper.NONE);
  }
}
