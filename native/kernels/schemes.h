#pragma once
// Rows of the affine, NF4 and FP8 formats.
#include "scheme.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeSchemeRow(const Scheme& scheme, const float* x, size_t columns, Range range, RowView row);
void decodeSchemeRow(const Scheme& scheme, const RowView& row, size_t columns, float* y);

}  // namespace qs::QS_TARGET
