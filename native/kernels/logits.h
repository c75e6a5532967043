#pragma once
// Sums over the logits of one token, slice after slice of the vocabulary (LogitSlice in measures.h).
#include "measures.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void accumulateLogits(const LogitSlice& slice, double* sums);

}  // namespace qs::QS_TARGET
