#pragma once
// Two-bit types on lattices of eight weights: IQ2_XXS, IQ2_XS, IQ2_S.
#include "codec.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeIQ2_XXS(const float* x, void* out, Rows rows);
void encodeIQ2_XS(const float* x, void* out, Rows rows);
void encodeIQ2_S(const float* x, void* out, Rows rows);
void decodeIQ2_XXS(const void* in, float* y, size_t n);
void decodeIQ2_XS(const void* in, float* y, size_t n);
void decodeIQ2_S(const void* in, float* y, size_t n);

}  // namespace qs::QS_TARGET
