#pragma once
// Sums over pairs of weights and over logits, and histograms. All sums are float64; results do not depend on the number of
// threads.
#include <cstddef>
#include <cstdint>
#include <span>

#include "scan_tile.h"

namespace qs {

struct ErrorSums {
  double source = 0;   // Σ x²
  double decoded = 0;  // Σ x'²
  double error = 0;    // Σ (x − x')²
  double largest = 0;  // max |x − x'|

  void add(const ErrorSums& other);
};

// Bins of equal width over [min, max]. Values outside, and all values of an empty or infinite range, are counted in the first
// or last.
class Bins {
 public:
  Bins(double min, double max, size_t count);
  size_t of(float value) const;
  BinScale scale() const;

 private:
  double min_;
  double perUnit_;
  double last_;
};

// Adds to the counts; values that are not finite are not counted. Without bins, does nothing.
void addToHistogram(const float* x, size_t n, float min, float max, std::span<double> counts);

// Extremes of the finite ones of some weights; without any, min is +infinity and max −infinity.
struct Extremes {
  float min;
  float max;

  Extremes();
  void add(const float* x, size_t n);
  void add(const Extremes& other);
};

// A range of columns of one row of logits, and of the base model's.
struct LogitSlice {
  const float* logits;
  const float* base;  // or null
  size_t columns;
  size_t firstColumn;  // token of the first; at 0 the sums are reset
  int64_t target;      // token that the row predicts; none when negative
};

// Nine float64 of one row, l its logits and b those of the base: from which loss and KL divergence follow.
struct LogitSums {
  static constexpr size_t kMaximum = 0;     // m = max l
  static constexpr size_t kSum = 1;         // Σ e^(l − m)
  static constexpr size_t kTarget = 2;      // l of the target; NaN until a slice has it
  static constexpr size_t kTop = 3;         // first token with the largest logit
  static constexpr size_t kBase = 4;        // the same four of the base
  static constexpr size_t kDifference = 8;  // Σ e^(b − max b) (b − l)
  static constexpr size_t kCount = 9;
};

}  // namespace qs
