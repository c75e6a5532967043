#include "second_part.h"

#include <bit>

#include "../kernels/kernels.h"
#include "code_table.h"

namespace qs {

SecondCounts::SecondCounts(const SecondWork& work)
    : beyond(work.thresholds.size()), lower(work.slots, std::vector<uint64_t>(kHalfValues)), work_(&work) {
  histogram.bins.resize(work.histogram.bins);
}

void SecondCounts::add(const SecondCounts& other) {
  histogram.add(other.histogram);
  for (size_t i = 0; i < beyond.size(); ++i) beyond[i] += other.beyond[i];
  for (size_t slot = 0; slot < lower.size(); ++slot) {
    for (size_t i = 0; i < kHalfValues; ++i) lower[slot][i] += other.lower[slot][i];
  }
}

void SecondCounts::add(const ScanSlab& slab, const Rectangle& area) {
  for (size_t done = 0; done < area.rows; done += kTileRows) {
    const Rectangle strip{area.row + done, std::min(kTileRows, area.rows - done), area.column, area.columns};
    overTiles(slab, strip, [&](const ScanTile& tile, size_t, size_t width) {
      for (size_t r = 0; r < tile.rows; ++r) {
        float* x = tile.x + r * kTileColumns;
        const bool isFinite = kernels().firstNonFinite(x, width) == width;
        addStrip(x, isFinite ? width : keepFinite(x, width));
      }
    });
  }
}

void SecondCounts::addStrip(const float* x, size_t n) {
  histogram.add(work_->histogram, x, n);
  for (size_t i = 0; i < beyond.size(); ++i) beyond[i] += kernels().countBeyond(x, n, work_->thresholds[i]);
  if (lower.empty()) return;
  const int16_t* slots = work_->slotOfUpperHalf.data();
  for (size_t i = 0; i < n; ++i) {
    const int16_t slot = slots[std::bit_cast<uint32_t>(x[i]) >> 16];
    if (slot >= 0) ++lower[static_cast<size_t>(slot)][sortKey(x[i]) & 0xffffu];
  }
}

}  // namespace qs
