#pragma once
// The dtypes that hold one number per weight.
#include "codec.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeF32(const float* x, void* out, Rows rows);
void encodeF16(const float* x, void* out, Rows rows);
void encodeBF16(const float* x, void* out, Rows rows);
void decodeF16(const void* in, float* y, size_t n);
void decodeBF16(const void* in, float* y, size_t n);
void decodeE4M3(const void* in, float* y, size_t n);
void decodeE5M2(const void* in, float* y, size_t n);

/// Little-endian numbers of any C++ type, at any address.
template <typename T>
void decodeNumbers(const void* in, float* y, size_t n);

}  // namespace qs::QS_TARGET
