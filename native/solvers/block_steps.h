#pragma once
// Coordinate descent on rows in blocks of types whose weights have codes of their own.
#include "block_slab.h"
#include "slab_steps.h"

namespace qs {

/// Codes are changed one by one, scales and zeros of groups together with their codes.
class BlockSteps final : public GroupSteps<BlockSlab> {
 public:
  BlockSteps(const BlockParts& parts, const WeightGrid& grid, const BlockSlab& slab) : GroupSteps(parts.codes, slab), grid_(grid) {}

 private:
  void tryChanges(size_t column) override;
  LaneMoments factorMoments(size_t column) override;
  void decodeBlock(size_t column) override;

  template <typename Change>
  void tryScales(size_t column, const Change& change);
  LaneMoments momentsOf(size_t column);
  GroupRun runOf(size_t column, GroupState<uint8_t>& state);

  const WeightGrid& grid_;
};

}  // namespace qs
