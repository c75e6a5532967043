#pragma once
// Sums over pairs of weights.
#include "measures.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

ErrorSums errorSums(const float* x, const float* decoded, size_t n);
size_t firstNonFinite(const float* x, size_t n);

}  // namespace qs::QS_TARGET
