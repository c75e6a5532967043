#include "measures.h"

#include <algorithm>
#include <cmath>

namespace qs {

void ErrorSums::add(const ErrorSums& other) {
  source += other.source;
  decoded += other.decoded;
  error += other.error;
  largest = std::max(largest, other.largest);
}

void addToHistogram(const float* x, size_t n, float min, float max, size_t bins, double* counts) {
  const double width = static_cast<double>(max) - static_cast<double>(min);
  const double perBin = width > 0 ? static_cast<double>(bins) / width : 0;
  const double last = static_cast<double>(bins - 1);
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) continue;
    const double position = (static_cast<double>(x[i]) - min) * perBin;
    counts[static_cast<size_t>(std::clamp(position, 0.0, last))] += 1;
  }
}

}  // namespace qs
