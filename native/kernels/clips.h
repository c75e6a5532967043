#pragma once
// The range of each group that gives its weights the least squared error.
#include "clip_search.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

/// Parameters of `count` groups from `first` on into `scales` and `zeros` (null where the grid has none).
void searchClips(const WeightGrid& grid, const ClipSearch& search, size_t first, size_t count, ParameterTarget target);

}  // namespace qs::QS_TARGET
