#pragma once
// Four-bit floats (E2M1) with a shared scale: MXFP4 of the OCP Microscaling Formats, NVFP4 of NVIDIA.
#include "codec.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void encodeMXFP4(const float* x, void* out, Rows rows);
void encodeNVFP4(const float* x, void* out, Rows rows);
void decodeMXFP4(const void* in, float* y, size_t n);
void decodeNVFP4(const void* in, float* y, size_t n);

}  // namespace qs::QS_TARGET
