#include "measures.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qs {

void ErrorSums::add(const ErrorSums& other) {
  source += other.source;
  decoded += other.decoded;
  error += other.error;
  largest = std::max(largest, other.largest);
}

Bins::Bins(double min, double max, size_t count)
    : min_(min), perUnit_(0), last_(count == 0 ? 0 : static_cast<double>(count - 1)) {
  const double width = max - min;
  if (width > 0 && std::isfinite(width)) perUnit_ = static_cast<double>(count) / width;
}

size_t Bins::of(float value) const {
  const double position = perUnit_ == 0 ? 0 : (static_cast<double>(value) - min_) * perUnit_;
  return static_cast<size_t>(std::clamp(position, 0.0, last_));
}

BinScale Bins::scale() const { return {min_, perUnit_, last_}; }

void addToHistogram(const float* x, size_t n, float min, float max, std::span<double> counts) {
  if (counts.empty()) return;
  const Bins bins(min, max, counts.size());
  for (size_t i = 0; i < n; ++i) {
    if (std::isfinite(x[i])) counts[bins.of(x[i])] += 1;
  }
}

Extremes::Extremes() : min(std::numeric_limits<float>::infinity()), max(-std::numeric_limits<float>::infinity()) {}

void Extremes::add(const float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) continue;
    min = std::min(min, x[i]);
    max = std::max(max, x[i]);
  }
}

void Extremes::add(const Extremes& other) {
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

}  // namespace qs
