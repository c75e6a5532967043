#pragma once
#include <cstddef>
#include <cstdint>

#include "simd/vector.h"

namespace qs::QS_TARGET {

// NF4 of a block of n weights: x' = table[code] · absmax. One code per byte; the caller packs them.
void encodeNf4Block(const float* x, size_t n, uint8_t* codes, float& absmax);
void decodeNf4Block(const uint8_t* codes, size_t n, float absmax, float* y);

}  // namespace qs::QS_TARGET
