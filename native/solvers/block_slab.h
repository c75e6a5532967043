#pragma once
// Some rows of a matrix in ggml blocks, side by side: weights, errors, codes and scales apart (kernels/slab.h).
#include <array>
#include <span>
#include <vector>

#include "../kernels/block_parts.h"
#include "../kernels/slab.h"
#include "../kernels/weight_grid.h"

namespace qs {

/// Scales of a group of each row, as kernels read them.
struct LaneScales {
  float scales[kSlab];
  float inverses[kSlab];
  float zeros[kSlab];

  void set(size_t lane, const ScaleCodes& codes, const WeightGrid& grid, const BlockScales& from, size_t group);
  GroupScales view() const { return {scales, inverses, zeros}; }
};

/// Rows of blocks of a type, `[columns, kSlab]`; lanes after the last row are zeros.
class BlockSlab {
 public:
  /// @param grid levels of the type's codes.
  /// @param weights of some rows, at most kSlab, and `blocks` that hold them.
  BlockSlab(const BlockParts& parts, const WeightGrid& grid, size_t columns, std::span<const float> weights,
            std::span<const uint8_t> blocks);

  /// Puts codes and scales of a row into its blocks.
  void write(size_t lane, std::span<uint8_t> blocks) const;

  size_t rows() const { return rows_; }
  BlockScales& scalesAt(size_t column, size_t lane) { return scales_[column / parts_.weights * kSlab + lane]; }
  const BlockScales& scalesAt(size_t column, size_t lane) const { return scales_[column / parts_.weights * kSlab + lane]; }
  /// Group in its block of a column.
  size_t groupAt(size_t column) const { return column % parts_.weights / parts_.group; }
  LaneScales laneScales(size_t column) const;
  /// What a code stands for, without scale and zero.
  float level(uint8_t code) const { return levels_[code]; }

  const float* weights(size_t column) const { return weights_.data() + column * kSlab; }
  float* errors(size_t column) { return errors_.data() + column * kSlab; }
  uint8_t* codes(size_t column) { return codes_.data() + column * kSlab; }

 private:
  void findCodes();

  const BlockParts& parts_;
  const WeightGrid& grid_;
  size_t columns_;
  size_t rows_;
  std::array<float, 256> levels_;
  std::vector<float> weights_;
  std::vector<float> errors_;  // decoded − weight
  std::vector<uint8_t> codes_;
  std::vector<BlockScales> scales_;  // [blocks, kSlab]
};

}  // namespace qs
