#pragma once
// Operands of products of matrices with float64 sums, a panel of 64 columns at a time.
#include <cstddef>

namespace qs {

inline constexpr size_t kPanel = 64;

/// A matrix `[kPanel, count]` of factors: element (i, t) is at[i · row + t · step].
struct Factors {
  const double* at;
  size_t row;
  size_t step;
};

}  // namespace qs
