#pragma once
// The 256-weight super-block types of ggml. `n` is the number of weights, a multiple of 256.
#include <cstddef>

#include "blocks.h"

namespace qs {

void encodeQ4_K(const float* x, BlockQ4_K* out, size_t n);
void encodeQ5_K(const float* x, BlockQ5_K* out, size_t n);
void encodeQ6_K(const float* x, BlockQ6_K* out, size_t n);
void decodeQ2_K(const BlockQ2_K* in, float* y, size_t n);
void decodeQ3_K(const BlockQ3_K* in, float* y, size_t n);
void decodeQ4_K(const BlockQ4_K* in, float* y, size_t n);
void decodeQ5_K(const BlockQ5_K* in, float* y, size_t n);
void decodeQ6_K(const BlockQ6_K* in, float* y, size_t n);

}  // namespace qs
