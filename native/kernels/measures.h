#pragma once
// Sums over pairs of weights, and histograms. All sums are float64; the result does not depend on the number of threads.
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

}  // namespace qs
