#pragma once
// Quantization column by column, in which the errors of columns are made up for by those after them (GPTQ). All sums are float32, added one
// by one in the order of the columns.
#include "simd/vector.h"
#include "slab.h"
#include "weight_grid.h"

namespace qs::QS_TARGET {

/// sums[k] += Σ_j errors[j] · tiles[k / 4, j, k % 4] for the columns k of a block and all `before` columns j before it.
void addFeedback(float* sums, const float* errors, const float* tiles, size_t before, size_t width);

/// The weights that columns should have if those after the given sums were free: none of them has an error left. `targets` is `[count, kSlab]`.
/// The sums are then invalid.
void predictColumns(const ColumnRun& run, float* targets);

/// Codes of columns, each the nearest to its target.
void quantizeColumns(const WeightGrid& grid, const ColumnRun& run, const RunParameters& parameters, const RunResults& results);

/// As quantizeColumns for codes that are known: `decoded` `[count, kSlab]` are their values.
void followColumns(const ColumnRun& run, const float* decoded, const RunResults& results);

}  // namespace qs::QS_TARGET
