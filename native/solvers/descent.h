#pragma once
// Coordinate descent on the codes and scales of ggml blocks: what they decode to differs less in its outputs.
#include <span>
#include <string_view>

#include "../kernels/weight_grid.h"
#include "hessian_tiles.h"

namespace qs {

/// A matrix in blocks of a type that are to be improved.
struct Descent {
  std::string_view type;
  const WeightGrid* grid;          // levels of the type's codes; null for lattice types
  HessianTiles hessian;            // in tiles of a group of the type, or of eight columns for lattice types
  std::span<const float> weights;  // [rows, columns]
  std::span<uint8_t> blocks;       // of whole rows
  size_t rounds;                   // over all columns, at most
};

/// Minimises Σ d·(H + damping · I)·dᵀ over the rows d of decoded − weight, starting from the blocks as they are: codes one by one (points of
/// lattices for eight weights at a time), scales and zeros of groups together with their codes, factors of blocks by least squares. Rows whose
/// d·H·dᵀ does not become smaller keep their blocks. `losses` gets d·H·dᵀ of each row. Throws for types without codes.
void descend(const Descent& descent, std::span<double> losses, CancelFlag cancelled);

}  // namespace qs
