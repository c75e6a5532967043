#pragma once
// Four-bit codes into a table of 16 unevenly spaced values: IQ4_NL, IQ4_XS.
#include "codec.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeIQ4_NL(const float* x, void* out, Rows rows);
void encodeIQ4_XS(const float* x, void* out, Rows rows);
void decodeIQ4_NL(const void* in, float* y, size_t n);
void decodeIQ4_XS(const void* in, float* y, size_t n);

}  // namespace qs::QS_TARGET
