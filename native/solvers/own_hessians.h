#pragma once
// Coordinate descent on the codes and scales of ggml blocks where each row has a Hessian of its own.
#include <span>
#include <string_view>

#include "../kernels/weight_grid.h"
#include "../rows.h"
#include "damped_matrix.h"

namespace qs {

/// Rows in blocks of a type that are to be improved. The Hessian of a row is (1 − share) · H + share · c · YᵀY + damping · I, Y being its own
/// inputs and c such that both parts have the same trace.
struct OwnHessiansDescent {
  std::string_view type;
  const WeightGrid& grid;   // levels of the type's codes
  DampedMatrix hessian;     // H, [columns, columns], of all rows; a column of zeros gets 1 on its diagonal
  double share;             // from 0 to 1
  std::span<const float> inputs;     // [all, columns]: those of the first row, then those of the second, …
  std::span<const int32_t> starts;  // [rows + 1]: where those of each row begin
  std::span<const float> weights;    // [rows, columns]
  std::span<uint8_t> blocks;
  size_t rounds;  // over all columns, at most
};

/// Minimises d·H·dᵀ over each row d of decoded − weights, starting from the blocks as they are. Rows without inputs of their own, and those that
/// do not improve, keep their blocks. Throws for types without codes of single weights.
void descendOwnHessians(const OwnHessiansDescent& descent, CancelFlag cancelled);

}  // namespace qs
