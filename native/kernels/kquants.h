#pragma once
// The 256-weight super-block types Q2_K … Q6_K.
#include "codec.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeQ2_K(const float* x, void* out, Rows rows);
void encodeQ3_K(const float* x, void* out, Rows rows);
void encodeQ4_K(const float* x, void* out, Rows rows);
void encodeQ5_K(const float* x, void* out, Rows rows);
void encodeQ6_K(const float* x, void* out, Rows rows);
void decodeQ2_K(const void* in, float* y, size_t n);
void decodeQ3_K(const void* in, float* y, size_t n);
void decodeQ4_K(const void* in, float* y, size_t n);
void decodeQ5_K(const void* in, float* y, size_t n);
void decodeQ6_K(const void* in, float* y, size_t n);

}  // namespace qs::QS_TARGET
