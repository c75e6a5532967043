#pragma once
// Coordinate descent on tr(D·H·Dᵀ), D the errors of quantized weights: the steps within a group of columns, rows in lanes. All sums are
// float32, added one by one in the order of the columns.
#include "simd/vector.h"
#include "slab.h"
#include "weight_grid.h"

namespace qs::QS_TARGET {

/// Gives each weight in turn the code that is nearest to its optimum, all others being as they are.
void sweepGroup(const WeightGrid& grid, const GroupRun& run, const GroupScales& scales);

/// Decodes the codes with other scales.
void rescaleGroup(const WeightGrid& grid, const GroupRun& run, const GroupScales& scales);

/// @param levels `[count, kSlab]`, what the codes stand for without scale and zero.
void groupMoments(const GroupRun& run, const float* levels, const GroupMoments& moments);

}  // namespace qs::QS_TARGET
