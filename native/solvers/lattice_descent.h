#pragma once
// Coordinate descent on the points and scales of blocks of lattice types: what they decode to differs less in its outputs.
#include <span>
#include <string_view>

#include "descent.h"

namespace qs {

/// Columns of a tile of the Hessian for a lattice type.
inline constexpr size_t kLatticeTile = 8;

/// A matrix in blocks of a lattice type that are to be improved.
struct LatticeDescent {
  std::string_view type;
  HessianTiles hessian;            // in tiles of kLatticeTile columns
  std::span<const float> weights;  // [rows, columns]
  std::span<uint8_t> blocks;       // of whole rows
  size_t rounds;                   // over all columns, at most
};

/// As `descend`, eight weights at a time: points with their signs, scales (and shifts) of groups together with their points, factors of blocks by
/// least squares. Throws for types that are not lattices.
void descendLattices(const LatticeDescent& descent, std::span<double> losses, CancelFlag cancelled);

}  // namespace qs
