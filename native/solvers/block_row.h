#pragma once
// One row of a matrix in ggml blocks: weights, errors, codes and scales apart.
#include <array>
#include <span>
#include <vector>

#include "../kernels/block_parts.h"
#include "../kernels/slab.h"
#include "../kernels/weight_grid.h"

namespace qs {

/// Most weights of a group.
inline constexpr size_t kMostGroupWeights = 32;

/// The changeable part of a group.
struct GroupCopy {
  std::array<float, kMostGroupWeights> gradients{};
  std::array<float, kMostGroupWeights> errors{};
  std::array<uint8_t, kMostGroupWeights> codes{};
};

class BlockRow {
 public:
  /// @param grid levels of the type's codes. The weights and the blocks have to outlive the row.
  BlockRow(const BlockParts& parts, const WeightGrid& grid, std::span<const float> weights, std::span<uint8_t> blocks);

  /// Puts codes and scales into the blocks.
  void write() const;

  const WeightGrid& grid() const { return grid_; }
  BlockScales& scalesAt(size_t column) { return scales_[column / parts_.weights]; }
  const BlockScales& scalesAt(size_t column) const { return scales_[column / parts_.weights]; }
  /// Group in its block of a column.
  size_t groupAt(size_t column) const { return column % parts_.weights / parts_.group; }
  /// Of the group of a column, were the scales of its block these.
  RowScale scaleOf(const BlockScales& scales, size_t column) const;
  /// What a code stands for, without scale and zero.
  float level(uint8_t code) const;

  const float* weights(size_t column) const { return weights_.data() + column; }
  float* errors(size_t column) { return errors_.data() + column; }
  uint8_t* codes(size_t column) { return codes_.data() + column; }
  const uint8_t* codes(size_t column) const { return codes_.data() + column; }

 private:
  void findCodes();

  const BlockParts& parts_;
  const WeightGrid& grid_;
  std::span<const float> weights_;
  std::span<uint8_t> blocks_;
  std::vector<float> errors_;  // decoded − weight
  std::vector<uint8_t> codes_;
  std::vector<BlockScales> scales_;
};

}  // namespace qs
