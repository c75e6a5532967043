#pragma once
// Rows in blocks of types whose weights have codes of their own.
#include <array>
#include <span>

#include "../kernels/weight_grid.h"
#include "code_slab.h"

namespace qs {

/// Scales of a group of each row, as kernels read them.
struct LaneScales {
  float scales[kSlab];
  float inverses[kSlab];
  float zeros[kSlab];

  void set(size_t lane, const ScaleCodes& codes, const WeightGrid& grid, const BlockScales& from, size_t group);
  GroupScales view() const { return {scales, inverses, zeros}; }
};

class BlockSlab : public CodeSlab<uint8_t, 1> {
 public:
  /// @param grid levels of the type's codes.
  /// @param weights of some rows, at most kSlab, and `blocks` that hold them.
  BlockSlab(const BlockParts& parts, const WeightGrid& grid, size_t columns, std::span<const float> weights,
            std::span<const uint8_t> blocks);

  /// Puts codes and scales of a row into its blocks.
  void write(size_t lane, std::span<uint8_t> blocks) const;

  LaneScales laneScales(size_t column) const;
  /// What a code stands for, without scale and zero.
  float level(uint8_t code) const { return levels_[code]; }

 private:
  void findCodes();

  const BlockParts& parts_;
  const WeightGrid& grid_;
  std::array<float, 256> levels_;
};

}  // namespace qs
