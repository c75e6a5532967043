#pragma once
// Coordinate descent on the codes and scales of ggml blocks: what they decode to differs less in its outputs.
#include <span>
#include <string_view>

#include "../kernels/weight_grid.h"
#include "../rows.h"

namespace qs {

/// H + damping · I in float32, cut into the groups of a type: rows [group · index, group · (index + 1)) are `[columns / 4, group, 4]`.
struct HessianTiles {
  std::span<const float> values;
  size_t columns;
  double damping;
};

/// Fills tiles from H `[columns, columns]`; a column of zeros gets 1 on its diagonal.
void tileHessian(std::span<const double> hessian, double damping, size_t group, size_t columns, std::span<float> tiles,
                 CancelFlag cancelled);

/// A matrix in blocks of a type that are to be improved.
struct Descent {
  std::string_view type;
  const WeightGrid& grid;  // levels of the type's codes
  HessianTiles hessian;
  std::span<const float> weights;  // [rows, columns]
  std::span<uint8_t> blocks;       // of whole rows
  size_t rounds;                   // over all columns, at most
};

/// Minimises Σ d·(H + damping · I)·dᵀ over the rows d of decoded − weight, starting from the blocks as they are: codes one by one, scales and
/// zeros of groups together with their codes, factors of blocks by least squares. Rows whose d·H·dᵀ does not become smaller keep their blocks.
/// `losses` gets d·H·dᵀ of each row. Throws for types without codes of single weights.
void descend(const Descent& descent, std::span<double> losses, CancelFlag cancelled);

}  // namespace qs
