#pragma once
// The types with one scale per block: Q1_0, Q2_0, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.
#include "codec.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeQ1_0(const float* x, void* out, Rows rows);
void encodeQ2_0(const float* x, void* out, Rows rows);
void encodeQ4_0(const float* x, void* out, Rows rows);
void encodeQ4_1(const float* x, void* out, Rows rows);
void encodeQ5_0(const float* x, void* out, Rows rows);
void encodeQ5_1(const float* x, void* out, Rows rows);
void encodeQ8_0(const float* x, void* out, Rows rows);
void decodeQ1_0(const void* in, float* y, size_t n);
void decodeQ2_0(const void* in, float* y, size_t n);
void decodeQ4_0(const void* in, float* y, size_t n);
void decodeQ4_1(const void* in, float* y, size_t n);
void decodeQ5_0(const void* in, float* y, size_t n);
void decodeQ5_1(const void* in, float* y, size_t n);
void decodeQ8_0(const void* in, float* y, size_t n);

}  // namespace qs::QS_TARGET
