#pragma once
// The scales and codes of ggml blocks apart, so that codes can be found by other means than the type's encoder.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qs {

/// Most groups of a block.
inline constexpr size_t kMostGroups = 16;

/// The scales of a block as its type stores them: group j has the scale d · valueOf(scales[j]) and the zero m · minimums[j].
struct BlockScales {
  float d;
  float m;
  int scales[kMostGroups];
  int minimums[kMostGroups];
};

/// Which scales a type can store. Where only one code is possible (low = high), d or m are the scale or zero of the only group.
struct ScaleCodes {
  bool hasFactor;  // d is a half; else it is 1
  bool hasZeros;   // m is a half; else there are no zeros
  int low;
  int high;
  int minimumLow;
  int minimumHigh;
  float (*value)(int code);  // null: the code itself

  float valueOf(int code) const { return value == nullptr ? static_cast<float>(code) : value(code); }
  float scaleOf(const BlockScales& scales, size_t group) const { return scales.d * valueOf(scales.scales[group]); }
  float zeroOf(const BlockScales& scales, size_t group) const { return scales.m * static_cast<float>(scales.minimums[group]); }
};

/// A type whose weights are level · scale + zero, with one scale and zero for each group of consecutive weights.
struct BlockParts {
  std::string_view name;
  size_t weights;  // per block
  size_t bytes;
  size_t group;
  ScaleCodes codes;
  BlockScales (*readScales)(const uint8_t* block);
  void (*writeScales)(uint8_t* block, const BlockScales& scales);
  /// Puts one code per weight into a block: two's complement where levels are signed integers, else the code that the type stores.
  void (*setCodes)(uint8_t* block, const uint8_t* codes);

  size_t groups() const { return weights / group; }
};

/// Those of a type, or null: lattices and ternary types have no codes of single weights.
const BlockParts* blockPartsOf(std::string_view type);

}  // namespace qs
