#pragma once
// Steps of coordinate descent within a panel of columns of one row: over codes, scales and zeros together.
#include <cstddef>
#include <vector>

#include "../kernels/block_parts.h"
#include "block_row.h"
#include "scale_fit.h"

namespace qs {

/// Columns whose gradients are known at a time.
inline constexpr size_t kPanelColumns = 256;
/// A round that improves an error by less, relative to that error, ends a descent.
inline constexpr double kLeastGain = 1e-3;

/// Some columns of a row: whole blocks, at most kPanelColumns.
struct RowPanel {
  size_t first;
  size_t width;
  const float* hessian;  // of these columns, `[width, width]`, with `stride` numbers in between
  size_t stride;
  const std::vector<double>& sums;  // of the Hessian of each group, as `groupSums` gives them
  float* gradients;                 // [width], kept up to date

  const float* hessianAt(size_t column, size_t other) const { return hessian + (column - first) * stride + (other - first); }
};

/// Σ over the Hessian of each group of a panel.
std::vector<double> groupSums(const float* hessian, size_t stride, size_t width, size_t group);

/// Improves rows in blocks of a type.
class RowSteps {
 public:
  explicit RowSteps(const BlockParts& parts) : parts_(parts) {}

  /// One round over a panel. Returns what the error decreases by: 2·step·gradients + step·H·stepᵀ over all steps.
  double improve(BlockRow& row, const RowPanel& panel) const;

 private:
  double improveGroup(BlockRow& row, const RowPanel& panel, size_t column) const;
  double tryScales(BlockRow& row, const RowPanel& panel, size_t column, const BlockScales& scales, GroupCopy& state) const;
  ScaleMoments momentsOf(const BlockRow& row, const RowPanel& panel, size_t column, const GroupCopy& state) const;
  double improveFactors(BlockRow& row, const RowPanel& panel, size_t column) const;
  ScaleMoments factorMoments(const BlockRow& row, const RowPanel& panel, size_t column) const;
  std::vector<float> multiplied(const std::vector<float>& levels, const RowPanel& panel, size_t column) const;
  void addSteps(const RowPanel& panel, size_t column, const float* steps) const;
  RowRun runOf(const BlockRow& row, const RowPanel& panel, size_t column, GroupCopy& state) const;

  const BlockParts& parts_;
};

}  // namespace qs
