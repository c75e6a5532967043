#pragma once
#include "scheme.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

// One group of n weights with the range of the group (of the tensor for per-tensor groups) → n codes, scale and zero.
// Codes are written as bytes: two's complement for 8-bit absmax and zero-point, unsigned for min–max; 4-bit codes of
// absmax and zero-point are offset by 8.
void encodeAffineGroup(AffineRule rule, int bits, const float* x, size_t n, Range range, uint8_t* codes, float& scale,
                       float& zero);
void decodeAffineGroup(AffineRule rule, int bits, const uint8_t* codes, size_t n, float scale, float zero, float* y);

}  // namespace qs::QS_TARGET
