#pragma once
// Grids of whole matrices over the thread pool: parameters of groups, codes and weights.
#include <optional>
#include <span>

#include "kernels/weight_grid.h"
#include "operations.h"
#include "rows.h"

namespace qs {

/// A matrix whose groups are rectangles, numbered row by row; those at its right and lower ends may be smaller.
struct GroupedMatrix {
  size_t rows;
  size_t columns;
  size_t groupRows;
  size_t groupColumns;

  size_t across() const { return (columns + groupColumns - 1) / groupColumns; }
  size_t groups() const { return (rows + groupRows - 1) / groupRows * across(); }
};

/// Of groups; `zeros` is empty where the grid has no zero points.
struct ParameterView {
  std::span<float> scales;
  std::span<float> zeros;
  float globalScale = 0.0f;  // 0: there is none
};

/// @param range of all weights where they have one group that is larger than the matrix; groups have their own otherwise.
void findParameters(const WeightGrid& grid, std::span<const float> source, const GroupedMatrix& matrix,
                    std::optional<Range> range, ParameterView target, CancelFlag cancelled);
/// Stops at weights that are not finite; the codes are then invalid.
BadWeight findCodes(const WeightGrid& grid, std::span<const float> source, const GroupedMatrix& matrix,
                    ParameterView parameters, std::span<uint8_t> codes, CancelFlag cancelled);
/// @param groupOfColumn empty, or the group of each column instead of consecutive ones.
void findWeights(const WeightGrid& grid, std::span<const uint8_t> codes, const GroupedMatrix& matrix,
                 ParameterView parameters, std::span<const int32_t> groupOfColumn, std::span<float> target,
                 CancelFlag cancelled);

}  // namespace qs
