#pragma once
// Histograms of a scan.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../kernels/measures.h"
#include "../kernels/scan_tile.h"

namespace qs {

struct ValueRange {
  double min;
  double max;
};

/// Bins of equal width over the extremes of all weights, or over a requested range: only then are there weights outside.
struct HistogramRange {
  ValueRange range{0, 0};
  bool isRequested = false;
  size_t bins = 0;
};

struct HistogramCounts {
  std::vector<uint64_t> bins;
  uint64_t below = 0, above = 0;

  void add(const HistogramCounts& other);
  /// Some equal weights.
  void add(const HistogramRange& histogram, const Bins& scale, float value, uint64_t count);
  /// Finite weights; without bins, does nothing.
  void add(const HistogramRange& histogram, const float* x, size_t n);
};

}  // namespace qs
