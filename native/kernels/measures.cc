#include "measures.h"

#include <algorithm>
#include <cmath>

#include "platform.h"

namespace qs {

void ErrorSums::add(const ErrorSums& other) {
  source += other.source;
  decoded += other.decoded;
  error += other.error;
  largest = std::max(largest, other.largest);
}

// Eight accumulators of each sum: one per lane of a 512-bit register, added up at the end in index order.
QS_WIDE ErrorSums errorSums(const float* x, const float* decoded, size_t n) {
  constexpr size_t kLanes = 8;
  double source[kLanes] = {};
  double self[kLanes] = {};
  double error[kLanes] = {};
  double largest[kLanes] = {};
  for (size_t i = 0; i < n; i += kLanes) {
    const size_t lanes = std::min(kLanes, n - i);
    for (size_t lane = 0; lane < lanes; ++lane) {
      const double a = x[i + lane];
      const double b = decoded[i + lane];
      const double difference = a - b;
      source[lane] += a * a;
      self[lane] += b * b;
      error[lane] += difference * difference;
      largest[lane] = std::max(largest[lane], std::fabs(difference));
    }
  }
  ErrorSums sums;
  for (size_t lane = 0; lane < kLanes; ++lane) sums.add({source[lane], self[lane], error[lane], largest[lane]});
  return sums;
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
