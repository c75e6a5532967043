#pragma once
// What the weights of ggml blocks stand for before they are scaled, with the scales, of any type: to be shown, not to be written.
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "../rows.h"

namespace qs {

/// How a type stores weights: each is level · scale + zero, with the scale and zero of its group.
struct LevelLayout {
  size_t weights;             // per block
  size_t bytes;               // of a block
  size_t group;               // weights that share a scale
  bool hasZeros;              // zeros are those of groups; else there are none
  bool hasFactors;            // scales are integers times a number of the block, and zeros times another one
  std::vector<float> levels;  // all that codes can stand for, ascending
};

/// Throws for types without blocks.
LevelLayout levelLayoutOf(std::string_view type);

/// Where parts of blocks go. `zeros` is empty for types without them; `factors`, two for each block, for those without them.
struct LevelTarget {
  std::span<float> levels;
  std::span<float> scales;
  std::span<float> zeros;
  std::span<float> factors;
};

void readLevels(std::string_view type, std::span<const uint8_t> blocks, const LevelTarget& target, CancelFlag cancelled);

}  // namespace qs
