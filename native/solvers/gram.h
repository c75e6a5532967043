#pragma once
// Sums of products of the inputs of a matrix.
#include <span>

#include "../rows.h"

namespace qs {

/// gram[i, j] += Σ_t x[t, i] · x[t, j] for rows x `[tokens, columns]`: products of float32 are exact in float64, and are added one by one
/// in the order of the rows, so that the result does not depend on how they are cut into calls. `gram` is `[columns, columns]`.
void accumulateGram(std::span<const float> rows, size_t columns, std::span<double> gram, CancelFlag cancelled);

}  // namespace qs
