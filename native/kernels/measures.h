#pragma once
// Sums over pairs of weights and over logits, and histograms. All sums are float64; the result does not depend on the number of threads.
#include <cstddef>
#include <cstdint>

namespace qs {

struct ErrorSums {
  double source = 0;   // Σ x²
  double decoded = 0;  // Σ x'²
  double error = 0;    // Σ (x − x')²
  double largest = 0;  // max |x − x'|

  void add(const ErrorSums& other);
};

// Adds to counts[bins]; values outside [min, max] fall into the first or last bin, non-finite ones nowhere.
void addToHistogram(const float* x, size_t n, float min, float max, size_t bins, double* counts);

// Some columns of one row of logits, and of those of a base model.
struct LogitSlice {
  const float* logits;
  const float* base;  // or null
  size_t columns;
  size_t firstColumn;  // token of the first; at 0 the sums start anew
  int64_t target;      // token that the row predicts; none when negative
};

// Nine float64 of one row, l its logits and b those of the base: what loss and KL divergence follow from.
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
