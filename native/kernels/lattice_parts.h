#pragma once
// The scales and lattice points of the blocks of IQ1, IQ2 and IQ3 apart, so that they can be found by other means than the type's encoder.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "block_parts.h"
#include "blocks.h"
#include "grids.h"

namespace qs {

/// Consecutive weights whose points and signs are stored together.
inline constexpr size_t kOctet = 8;
inline constexpr size_t kOctets = kSuperBlock / kOctet;

/// How eight weights are stored: weight i has the level of coordinate i % dims of its point.
struct Octet {
  uint16_t points[2];  // indices in the grid; the second one only where points have four coordinates
  uint8_t signs;       // bit i: weight i is negative
  uint8_t shift;       // 1: levels are shifted down, 0: up, where the type shifts them
};

enum class OctetSigns { None, Even, All };

/// A super-block: sub-block j has the scale d · (2 · scales[j] + 1).
struct LatticeBlock {
  BlockScales scales;
  Octet octets[kOctets];
};

/// A type whose weights are scale · level, in which the levels of eight weights are stored together.
struct LatticeParts {
  std::string_view name;
  size_t bytes;        // of a super-block
  size_t group;        // weights that share a scale
  size_t dims;         // coordinates of a point
  size_t levelCount;   // of a coordinate
  OctetSigns signs;
  size_t shared;       // weights that share a shift, or 0
  ScaleCodes codes;
  float levels[8];     // what coordinates stand for, without signs and shift
  const Grid& (*grid)();
  LatticeBlock (*read)(const uint8_t* block);
  void (*write)(uint8_t* block, const LatticeBlock& from);

  /// The level of coordinate i of a point of the grid.
  size_t coordinate(uint16_t point, size_t i) const {
    const size_t bits = dims == 8 ? 2 : 3;
    return (grid().points()[point] >> (bits * i)) & ((1u << bits) - 1);
  }
  /// What is added to each level.
  float shiftOf(const Octet& octet) const { return shared == 0 ? 0.0f : octet.shift == 0 ? 0.125f : -0.125f; }
  /// What weight i of an octet stands for, without its scale.
  float levelOf(const Octet& octet, size_t i) const {
    const float level = levels[coordinate(octet.points[i / dims], i % dims)] + shiftOf(octet);
    return (octet.signs >> i & 1) != 0 ? -level : level;
  }
};

/// Those of a type, or null.
const LatticeParts* latticePartsOf(std::string_view type);

}  // namespace qs
