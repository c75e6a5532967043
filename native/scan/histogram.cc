#include "histogram.h"

#include <algorithm>

#include "../kernels/kernels.h"

namespace qs {

void HistogramCounts::add(const HistogramCounts& other) {
  bins.resize(std::max(bins.size(), other.bins.size()));
  for (size_t bin = 0; bin < other.bins.size(); ++bin) bins[bin] += other.bins[bin];
  below += other.below;
  above += other.above;
}

void HistogramCounts::add(const HistogramRange& histogram, const Bins& scale, float value, uint64_t count) {
  if (histogram.isRequested && value < histogram.range.min) {
    below += count;
  } else if (histogram.isRequested && value > histogram.range.max) {
    above += count;
  } else {
    bins[scale.of(value)] += count;
  }
}

void HistogramCounts::add(const HistogramRange& histogram, const float* x, size_t n) {
  if (histogram.bins == 0) return;
  const Bins scale(histogram.range.min, histogram.range.max, histogram.bins);
  if (histogram.isRequested) {
    for (size_t i = 0; i < n; ++i) add(histogram, scale, x[i], 1);
    return;
  }
  int32_t at[kTileColumns];
  for (size_t done = 0; done < n; done += kTileColumns) {
    const size_t count = std::min(kTileColumns, n - done);
    kernels().binsOf(x + done, count, scale.scale(), at);
    for (size_t i = 0; i < count; ++i) ++bins[static_cast<size_t>(at[i])];
  }
}

}  // namespace qs
