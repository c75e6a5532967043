#pragma once
// Three values per weight, for models trained with them (BitNet b1.58, TriLM): TQ1_0, TQ2_0.
#include "codec.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeTQ1_0(const float* x, void* out, Rows rows);
void encodeTQ2_0(const float* x, void* out, Rows rows);
void decodeTQ1_0(const void* in, float* y, size_t n);
void decodeTQ2_0(const void* in, float* y, size_t n);

}  // namespace qs::QS_TARGET
