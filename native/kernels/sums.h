#pragma once
// Whole arrays of weights: sums over pairs, a check, a copy.
#include "measures.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

ErrorSums errorSums(const float* x, const float* decoded, size_t n);
size_t firstNonFinite(const float* x, size_t n);
void copyWeights(float* to, const float* from, size_t n);

}  // namespace qs::QS_TARGET
