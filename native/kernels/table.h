#pragma once
// Every instruction set's table of kernels.
#include "kernels.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

extern const Kernels kTable;

}  // namespace qs::QS_TARGET
