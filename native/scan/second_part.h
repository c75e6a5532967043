#pragma once
// The second pass of a scan, over weights that the first one cannot tell apart by the upper halves of their float32.
#include <cstdint>
#include <vector>

#include "histogram.h"
#include "pieces.h"

namespace qs {

inline constexpr size_t kHalfValues = size_t{1} << 16;

/// What the second pass looks for.
struct SecondWork {
  HistogramRange histogram;
  std::vector<float> thresholds;  // of |w|
  // Percentiles lie in a few buckets of equal upper halves: index of such a bucket, or −1.
  std::vector<int16_t> slotOfUpperHalf;
  size_t slots = 0;
};

struct SecondCounts {
  explicit SecondCounts(const SecondWork& work);
  void add(const ScanSlab& slab, const Rectangle& area);
  void add(const SecondCounts& other);

  HistogramCounts histogram;
  std::vector<uint64_t> beyond;                // of each threshold
  std::vector<std::vector<uint64_t>> lower;    // of each slot: weights by the lower half of their key (code_table.h)

 private:
  void addStrip(const float* x, size_t n);

  const SecondWork* work_;
};

}  // namespace qs
