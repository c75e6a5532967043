#include "block_slab.h"

#include "../kernels/kernels.h"

namespace qs {
namespace {

std::array<float, 256> levelsOf(const WeightGrid& grid) {
  std::array<float, 256> levels;
  for (size_t code = 0; code < levels.size(); ++code) {
    const auto value = static_cast<float>(grid.levels.isSigned ? static_cast<int8_t>(code) : static_cast<int>(code));
    levels[code] = grid.levels.kind == Levels::Kind::Integer ? value : floatOf(static_cast<uint32_t>(grid.table.values[code]));
  }
  return levels;
}

}  // namespace

void LaneScales::set(size_t lane, const ScaleCodes& codes, const WeightGrid& grid, const BlockScales& from, size_t group) {
  scales[lane] = codes.scaleOf(from, group);
  inverses[lane] = inverseOf(grid, scales[lane]);
  zeros[lane] = codes.hasZeros ? codes.zeroOf(from, group) : 0.0f;
}

BlockSlab::BlockSlab(const BlockParts& parts, const WeightGrid& grid, size_t columns, std::span<const float> weights,
                     std::span<const uint8_t> blocks)
    : CodeSlab({parts.weights, parts.group}, columns, weights.size() / columns), parts_(parts), grid_(grid), levels_(levelsOf(grid)) {
  const Codec& codec = *codecNamed(parts.name);
  const size_t bytes = columns / parts.weights * parts.bytes;
  std::vector<float> decoded(columns);
  for (size_t lane = 0; lane < rows(); ++lane) {
    const uint8_t* from = blocks.data() + lane * bytes;
    codec.decode(from, decoded.data(), columns);
    for (size_t i = 0; i < columns; ++i) set(i, lane, weights[lane * columns + i], decoded[i]);
    for (size_t i = 0; i < columns; i += parts.weights) {
      scalesAt(i, lane) = parts.readScales(from + i / parts.weights * parts.bytes);
    }
  }
  findCodes();
}

/// With the identity as Hessian and no gradients, the nearest codes are those that were decoded.
void BlockSlab::findCodes() {
  const size_t group = parts_.group;
  std::vector<float> hessian(group * group, 0.0f);
  for (size_t i = 0; i < group; ++i) hessian[(i / 4 * group + i) * 4 + i % 4] = 1.0f;
  for (size_t column = 0; column < columns(); column += group) {
    std::vector<float> gradients(group * kSlab, 0.0f);
    const GroupRun run{hessian.data(), group, {0, kSlab}, weights(column), gradients.data(), errors(column), codes(column)};
    kernels().sweepGroup(grid_, run, laneScales(column).view());
  }
}

void BlockSlab::write(size_t lane, std::span<uint8_t> blocks) const {
  std::vector<uint8_t> found(parts_.weights);
  for (size_t i = 0; i < columns(); i += parts_.weights) {
    for (size_t k = 0; k < found.size(); ++k) found[k] = codes(i)[k * kSlab + lane];
    uint8_t* block = blocks.data() + i / parts_.weights * parts_.bytes;
    parts_.writeScales(block, scalesAt(i, lane));
    parts_.setCodes(block, found.data());
  }
}

LaneScales BlockSlab::laneScales(size_t column) const {
  LaneScales found;
  for (size_t lane = 0; lane < kSlab; ++lane) {
    found.set(lane, parts_.codes, grid_, scalesAt(column, lane), groupAt(column));
  }
  return found;
}

}  // namespace qs
