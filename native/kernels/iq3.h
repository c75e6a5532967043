#pragma once
// Three-bit types on lattices of four weights: IQ3_XXS, IQ3_S.
#include "codec.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeIQ3_XXS(const float* x, void* out, Rows rows);
void encodeIQ3_S(const float* x, void* out, Rows rows);
void decodeIQ3_XXS(const void* in, float* y, size_t n);
void decodeIQ3_S(const void* in, float* y, size_t n);

}  // namespace qs::QS_TARGET
