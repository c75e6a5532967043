#pragma once
// Grids of whole matrices over the thread pool: parameters of groups, codes and weights.
#include <optional>
#include <span>

#include "kernels/grid_row.h"
#include "operations.h"
#include "rows.h"

namespace qs {

/// Of groups; `zeros` is empty where the grid has no zero points, `inverses` where they follow from the scales.
struct ParameterView {
  std::span<float> scales;
  std::span<float> zeros;
  std::span<float> inverses;
  float globalScale = 0.0f;  // 0: there is none
};

/// @param range of all weights where they have one group that is larger than the matrix; groups have their own otherwise.
void findParameters(const WeightGrid& grid, std::span<const float> source, const GroupedMatrix& matrix,
                    std::optional<GroupSpan> range, ParameterView target, CancelFlag cancelled);
/// The same with each group's range shrunk to where the squared error of its weights is least: never larger than without.
/// @param importance empty, or the weight of the error of each column; `factors` what ranges are multiplied by, between 0 and 2.
BadWeight findClippedParameters(const WeightGrid& grid, std::span<const float> source, const GroupedMatrix& matrix,
                                std::span<const float> importance, std::span<const float> factors, ParameterView target,
                                CancelFlag cancelled);
/// Stops at weights that are not finite; the codes are then invalid.
BadWeight findCodes(const WeightGrid& grid, std::span<const float> source, const GroupedMatrix& matrix,
                    ParameterView parameters, std::span<uint8_t> codes, CancelFlag cancelled);
/// @param groupOfColumn empty, or the group of each column instead of consecutive ones.
void findWeights(const WeightGrid& grid, std::span<const uint8_t> codes, const GroupedMatrix& matrix,
                 ParameterView parameters, std::span<const int32_t> groupOfColumn, std::span<float> target,
                 CancelFlag cancelled);

}  // namespace qs
