#include "block_row.h"

#include "../kernels/kernels.h"

namespace qs {

BlockRow::BlockRow(const BlockParts& parts, const WeightGrid& grid, std::span<const float> weights, std::span<uint8_t> blocks)
    : parts_(parts), grid_(grid), weights_(weights), blocks_(blocks), errors_(weights.size()), codes_(weights.size()) {
  codecNamed(parts.name)->decode(blocks.data(), errors_.data(), errors_.size());
  for (size_t i = 0; i < errors_.size(); ++i) errors_[i] = errors_[i] - weights[i];
  for (size_t at = 0; at < blocks.size(); at += parts.bytes) scales_.push_back(parts.readScales(blocks.data() + at));
  findCodes();
}

/// With the identity as Hessian and no gradients, the nearest codes are those that were decoded.
void BlockRow::findCodes() {
  std::array<float, kMostGroupWeights * kMostGroupWeights> identity{};
  for (size_t i = 0; i < kMostGroupWeights; ++i) identity[i * (kMostGroupWeights + 1)] = 1.0f;
  for (size_t column = 0; column < errors_.size(); column += parts_.group) {
    GroupCopy unused;
    const RowRun run{identity.data(), kMostGroupWeights, parts_.group, weights(column), unused.gradients.data(), errors(column),
                     codes(column)};
    kernels().sweepRow(grid_, run, scaleOf(scalesAt(column), column));
  }
}

RowScale BlockRow::scaleOf(const BlockScales& scales, size_t column) const {
  const size_t group = groupAt(column);
  const float scale = parts_.codes.scaleOf(scales, group);
  return {scale, inverseOf(grid_, scale), parts_.codes.hasZeros ? parts_.codes.zeroOf(scales, group) : 0.0f};
}

float BlockRow::level(uint8_t code) const {
  if (grid_.levels.kind != Levels::Kind::Integer) return floatOf(static_cast<uint32_t>(grid_.table.values[code]));
  return static_cast<float>(grid_.levels.isSigned ? static_cast<int8_t>(code) : static_cast<int>(code));
}

void BlockRow::write() const {
  for (size_t block = 0; block < scales_.size(); ++block) {
    uint8_t* to = blocks_.data() + block * parts_.bytes;
    parts_.writeScales(to, scales_[block]);
    parts_.setCodes(to, codes_.data() + block * parts_.weights);
  }
}

}  // namespace qs
