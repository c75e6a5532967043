#pragma once
// Coordinate descent on the codes and scales of ggml blocks, errors being weighted on both sides of the matrix: by its inputs, and by what its
// outputs do to the loss.
#include <span>
#include <string_view>

#include "damped_matrix.h"
#include "descent.h"

namespace qs {

/// Minimises tr(G·D·H·Dᵀ) over D = decoded − weights, starting from the blocks as they are: with the other rows fixed, a row d is to minimise
/// d·H·dᵀ + 2·Σ G[i, r] / G[i, i] · d·H·d[r]ᵀ, which is coordinate descent as in descent.h with other gradients. Blocks stay as they are where the
/// sum does not become smaller. Throws for types without codes.
/// @param covariance G, [rows, rows], of the gradients at the outputs.
void descendBothSides(const Descent& descent, const DampedMatrix& covariance, CancelFlag cancelled);

}  // namespace qs
