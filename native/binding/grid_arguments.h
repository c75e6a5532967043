#pragma once
#include <napi.h>

#include "../kernels/weight_grid.h"

namespace qs::binding {

/// The native form of a Grid (src/protocol/grids.ts). Throws a JavaScript error for members that it cannot have.
WeightGrid gridOf(const Napi::Value& value);
ScaleType scaleTypeOf(const Napi::Value& name);

}  // namespace qs::binding
