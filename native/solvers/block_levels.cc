#include "block_levels.h"

#include <algorithm>
#include <cstring>

#include "../kernels/block_parts.h"
#include "../kernels/blocks.h"
#include "../kernels/floats.h"
#include "../kernels/kernels.h"
#include "../kernels/lattice_parts.h"

namespace qs {
namespace {

/// A type whose blocks have one scale, a half, and levels that its decoder gives where that is 1.
struct PlainType {
  std::string_view name;
  size_t scaleAt;
  std::vector<float> levels;
};

const std::vector<PlainType>& plainTypes() {
  static const std::vector<PlainType> types = {
      {"Q1_0", offsetof(BlockQ1_0, d), {-1.0f, 1.0f}},
      {"Q2_0", offsetof(BlockQ2_0, d), {-1.0f, 0.0f, 1.0f, 2.0f}},
      {"TQ1_0", offsetof(BlockTQ1_0, d), {-1.0f, 0.0f, 1.0f}},
      {"TQ2_0", offsetof(BlockTQ2_0, d), {-1.0f, 0.0f, 1.0f}},
  };
  return types;
}

const PlainType* plainTypeOf(std::string_view type) {
  const auto& types = plainTypes();
  const auto found = std::find_if(types.begin(), types.end(), [&](const PlainType& row) { return row.name == type; });
  return found == types.end() ? nullptr : &*found;
}

constexpr size_t kLargestBlock = 512;

/// Scales of a block that leave its levels as they are.
BlockScales unitScales(const ScaleCodes& codes) {
  BlockScales unit{1.0f, 0.0f, {}, {}};
  int one = codes.low;
  while (one < codes.high && codes.valueOf(one) != 1.0f) ++one;
  std::fill(std::begin(unit.scales), std::end(unit.scales), one);
  std::fill(std::begin(unit.minimums), std::end(unit.minimums), codes.minimumLow);
  return unit;
}

void decodeBlock(const Codec& codec, const uint8_t* block, float* levels) { codec.decode(block, levels, codec.block); }

void sortedOnce(std::vector<float>& levels) {
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
}

/// All bytes as codes: types take as many bits of them as they have.
std::vector<float> levelsOf(const BlockParts& parts, const Codec& codec) {
  alignas(8) uint8_t block[kLargestBlock] = {};
  parts.writeScales(block, unitScales(parts.codes));
  std::vector<float> levels;
  for (size_t first = 0; first < 256; first += parts.weights) {
    uint8_t codes[kSuperBlock];
    float decoded[kSuperBlock];
    for (size_t i = 0; i < parts.weights; ++i) codes[i] = static_cast<uint8_t>(first + i);
    parts.setCodes(block, codes);
    decodeBlock(codec, block, decoded);
    levels.insert(levels.end(), decoded, decoded + parts.weights);
  }
  sortedOnce(levels);
  return levels;
}

std::vector<float> levelsOf(const LatticeParts& parts) {
  std::vector<float> levels;
  for (size_t i = 0; i < parts.levelCount; ++i) {
    for (const uint8_t shift : {0, 1}) {
      const float level = parts.levels[i] + parts.shiftOf({{}, 0, shift});
      levels.push_back(level);
      if (parts.signs != OctetSigns::None) levels.push_back(-level);
    }
  }
  sortedOnce(levels);
  return levels;
}

/// One block: its levels, scales, zeros and factors.
struct BlockTarget {
  float* levels;
  float* scales;
  float* zeros;    // or null
  float* factors;  // or null
};

void scalesInto(const BlockScales& stored, const ScaleCodes& codes, size_t groups, const BlockTarget& to) {
  for (size_t j = 0; j < groups; ++j) {
    to.scales[j] = codes.scaleOf(stored, j);
    if (to.zeros != nullptr) to.zeros[j] = codes.zeroOf(stored, j);
  }
  if (to.factors != nullptr) {
    to.factors[0] = stored.d;
    to.factors[1] = stored.m;
  }
}

void readBlock(const BlockParts& parts, const Codec& codec, const uint8_t* block, const BlockTarget& to) {
  scalesInto(parts.readScales(block), parts.codes, parts.groups(), to);
  alignas(8) uint8_t unscaled[kLargestBlock];
  std::memcpy(unscaled, block, parts.bytes);
  parts.writeScales(unscaled, unitScales(parts.codes));
  decodeBlock(codec, unscaled, to.levels);
}

void readBlock(const LatticeParts& parts, const uint8_t* block, const BlockTarget& to) {
  const LatticeBlock stored = parts.read(block);
  scalesInto(stored.scales, parts.codes, kSuperBlock / parts.group, to);
  for (size_t i = 0; i < kSuperBlock; ++i) to.levels[i] = parts.levelOf(stored.octets[i / kOctet], i % kOctet);
}

void readBlock(const PlainType& type, const Codec& codec, const uint8_t* block, const BlockTarget& to) {
  alignas(8) uint8_t unscaled[kLargestBlock];
  std::memcpy(unscaled, block, codec.bytes);
  half scale;
  std::memcpy(&scale, block + type.scaleAt, sizeof scale);
  to.scales[0] = floatFromHalf(scale);
  const half one = halfFromFloat(1.0f);
  std::memcpy(unscaled + type.scaleAt, &one, sizeof one);
  decodeBlock(codec, unscaled, to.levels);
}

}  // namespace

LevelLayout levelLayoutOf(std::string_view type) {
  if (const BlockParts* parts = blockPartsOf(type)) {
    const ScaleCodes& codes = parts->codes;
    return {parts->weights, parts->bytes, parts->group, codes.hasZeros, codes.hasFactor && codes.low != codes.high,
            levelsOf(*parts, *codecNamed(type))};
  }
  if (const LatticeParts* parts = latticePartsOf(type)) {
    return {kSuperBlock, parts->bytes, parts->group, false, true, levelsOf(*parts)};
  }
  if (const PlainType* plain = plainTypeOf(type)) {
    const Codec& codec = *codecNamed(type);
    return {codec.block, codec.bytes, codec.block, false, false, plain->levels};
  }
  fail(std::string(type) + " has no blocks of codes");
}

void readLevels(std::string_view type, std::span<const uint8_t> blocks, const LevelTarget& target, CancelFlag cancelled) {
  const LevelLayout layout = levelLayoutOf(type);
  const Codec& codec = *codecNamed(type);
  const BlockParts* parts = blockPartsOf(type);
  const LatticeParts* lattice = latticePartsOf(type);
  const PlainType* plain = plainTypeOf(type);
  if (blocks.size() % layout.bytes != 0) fail("the blocks are not whole");
  const size_t count = blocks.size() / layout.bytes;
  const size_t groups = layout.weights / layout.group;
  requireLength("levels", target.levels.size(), product(count, layout.weights));
  requireLength("scales", target.scales.size(), count * groups);
  requireLength("zeros", target.zeros.size(), layout.hasZeros ? count * groups : 0);
  requireLength("factors", target.factors.size(), layout.hasFactors ? 2 * count : 0);
  overRows(count, kPieceWeights / layout.weights, cancelled, [&](size_t first, size_t some) {
    for (size_t i = first; i < first + some; ++i) {
      const uint8_t* block = blocks.data() + i * layout.bytes;
      const BlockTarget to{target.levels.data() + i * layout.weights, target.scales.data() + i * groups,
                           layout.hasZeros ? target.zeros.data() + i * groups : nullptr,
                           layout.hasFactors ? target.factors.data() + 2 * i : nullptr};
      if (parts != nullptr) readBlock(*parts, codec, block, to);
      else if (lattice != nullptr) readBlock(*lattice, block, to);
      else readBlock(*plain, codec, block, to);
    }
  });
}

}  // namespace qs
