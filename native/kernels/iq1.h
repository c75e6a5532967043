#pragma once
// Ternary codes on a lattice of eight weights, shifted by ±1/8: IQ1_S, IQ1_M.
#include "codec.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeIQ1_S(const float* x, void* out, Rows rows);
void encodeIQ1_M(const float* x, void* out, Rows rows);
void decodeIQ1_S(const void* in, float* y, size_t n);
void decodeIQ1_M(const void* in, float* y, size_t n);

}  // namespace qs::QS_TARGET
