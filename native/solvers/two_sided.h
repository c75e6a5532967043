#pragma once
// Coordinate descent on the codes and scales of ggml blocks, errors being weighted on both sides of the matrix: by its inputs, and by what its
// outputs do to the loss.
#include <span>
#include <string_view>

#include "../kernels/block_parts.h"
#include "../kernels/weight_grid.h"
#include "../rows.h"

namespace qs {

/// A symmetric matrix M + damping · I.
struct DampedMatrix {
  std::span<const double> values;
  double damping;
};

/// Columns of a matrix in blocks, from its Hessian. Throws for one that is not square, or not of whole blocks.
size_t matrixColumns(const DampedMatrix& hessian, const BlockParts& parts);

/// A matrix in blocks of a type that are to be improved.
struct TwoSidedDescent {
  std::string_view type;
  const WeightGrid& grid;   // levels of the type's codes
  DampedMatrix hessian;     // H, [columns, columns]; a column of zeros gets 1 on its diagonal
  DampedMatrix covariance;  // G, [rows, rows], of the gradients at the outputs
  std::span<const float> weights;  // [rows, columns]
  std::span<uint8_t> blocks;
  size_t rounds;  // over all columns, at most
};

/// Minimises tr(G·D·H·Dᵀ) over D = decoded − weights, starting from the blocks as they are, row after row: with the other rows fixed, a row d is
/// to minimise d·H·dᵀ + 2·Σ G[i, r] / G[i, i] · d·H·d[r]ᵀ, which is coordinate descent as in descent.h with other gradients. Blocks stay as they
/// are where the sum does not become smaller. Throws for types without codes of single weights.
void descendBothSides(const TwoSidedDescent& descent, CancelFlag cancelled);

}  // namespace qs
