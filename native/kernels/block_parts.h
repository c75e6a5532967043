#pragma once
// The scales and codes of ggml blocks apart, so that codes can be found by other means than the type's encoder.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qs {

/// A type whose weights are level · scale + zero, with one scale and zero for each group of consecutive weights.
struct BlockParts {
  std::string_view name;
  size_t weights;  // per block
  size_t bytes;
  size_t group;
  bool hasZeros;
  /// Scales, and zeros where it has them, of the groups of a block.
  void (*parameters)(const uint8_t* block, float* scales, float* zeros);
  /// Puts one code per weight into a block: two's complement where levels are signed integers, else the code that the type stores.
  void (*setCodes)(uint8_t* block, const uint8_t* codes);
};

/// Those of a type, or null: lattices and ternary types have no codes of single weights.
const BlockParts* blockPartsOf(std::string_view type);

}  // namespace qs
