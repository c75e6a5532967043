#pragma once
// Coordinate descent on d·H·dᵀ, d the errors of a row whose Hessian is its own: the steps within a group of columns, which are lanes. All sums are
// float32, added one by one in the order of the columns.
#include "simd/vector.h"
#include "slab.h"
#include "weight_grid.h"

namespace qs::QS_TARGET {

/// to[k] += Σ_j factors[j] · rows[j · stride + k]. `width` is a multiple of 16.
void addRows(float* to, const float* factors, const float* rows, size_t stride, size_t count, size_t width);

/// Gives each weight in turn the code that is nearest to its optimum, all others being as they are.
void sweepRow(const WeightGrid& grid, const RowRun& run, const RowScale& scale);

/// Decodes the codes with another scale.
void rescaleRow(const WeightGrid& grid, const RowRun& run, const RowScale& scale);

}  // namespace qs::QS_TARGET
