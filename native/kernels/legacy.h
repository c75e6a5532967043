#pragma once
// The 32-weight block types of ggml. `n` is the number of weights, a multiple of 32.
#include <cstddef>

#include "blocks.h"

namespace qs {

void encodeQ4_0(const float* x, BlockQ4_0* out, size_t n);
void encodeQ8_0(const float* x, BlockQ8_0* out, size_t n);
void decodeQ4_0(const BlockQ4_0* in, float* y, size_t n);
void decodeQ4_1(const BlockQ4_1* in, float* y, size_t n);
void decodeQ5_0(const BlockQ5_0* in, float* y, size_t n);
void decodeQ5_1(const BlockQ5_1* in, float* y, size_t n);
void decodeQ8_0(const BlockQ8_0* in, float* y, size_t n);

}  // namespace qs
