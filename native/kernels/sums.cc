#include "sums.h"

#include <cmath>

#include "floats.h"

namespace qs::QS_TARGET {

// Eight accumulators of each sum, one per lane of a 512-bit register, added up at the end in index order: the same for
// every instruction set.
ErrorSums errorSums(const float* x, const float* decoded, size_t n) {
  constexpr size_t kParts = 8;
  double source[kParts] = {};
  double self[kParts] = {};
  double error[kParts] = {};
  double largest[kParts] = {};
  const auto add = [&](size_t part, size_t i) {
    const double a = x[i];
    const double b = decoded[i];
    const double difference = a - b;
    const double size = std::fabs(difference);
    source[part] += a * a;
    self[part] += b * b;
    error[part] += difference * difference;
    largest[part] = largest[part] < size ? size : largest[part];
  };
  size_t i = 0;
  for (; i + kParts <= n; i += kParts) {
    for (size_t part = 0; part < kParts; ++part) add(part, i + part);
  }
  for (size_t part = 0; i < n; ++i, ++part) add(part, i);
  ErrorSums sums;
  for (size_t part = 0; part < kParts; ++part) sums.add({source[part], self[part], error[part], largest[part]});
  return sums;
}

size_t firstNonFinite(const float* x, size_t n) {
  constexpr uint32_t kExponent = 0x7f800000u;
  const auto isBad = [](float value) { return (bitsOf(value) & kExponent) == kExponent; };
  constexpr size_t kRun = 4096;
  for (size_t start = 0; start < n; start += kRun) {
    const size_t end = n - start < kRun ? n : start + kRun;
    uint32_t bad = 0;
    for (size_t i = start; i < end; ++i) bad |= isBad(x[i]) ? 1u : 0u;
    for (size_t i = start; bad != 0 && i < end; ++i) {
      if (isBad(x[i])) return i;
    }
  }
  return n;
}

// Stores that do not straddle cache lines; the loads may.
void copyWeights(float* to, const float* from, size_t n) {
  constexpr size_t kAhead = 2048;
  size_t i = 0;
  for (; i < n && reinterpret_cast<uintptr_t>(to + i) % (kLanes * sizeof(float)) != 0; ++i) to[i] = from[i];
  for (; i + kLanes <= n; i += kLanes) {
    prefetchForWriting(to + i + kAhead);
    store(to + i, load(from + i));
  }
  for (; i < n; ++i) to[i] = from[i];
}

}  // namespace qs::QS_TARGET
