#pragma once
// How far other weights move the outputs of a matrix.
#include <span>

#include "../rows.h"

namespace qs {

/// A matrix `[rows, columns]`, and what its weights become: others[r, c] / scales[c]; without scales, others[r, c].
struct Replacement {
  std::span<const float> weights;
  std::span<const float> others;
  std::span<const float> scales;
  size_t columns;
};

/// errors[r, g] = Σ_t (Σ_{c in g} d[r, c] · inputs[t, c])², d what the replacement changes, for groups of `group` consecutive columns, the
/// last of which may be shorter: the squared change of output r over all tokens t, as far as the columns of g cause it. In float64, added
/// in order. `inputs` is `[tokens, columns]`, `errors` `[rows, groups]`.
void outputErrors(const Replacement& replacement, std::span<const float> inputs, size_t group, std::span<double> errors,
                  CancelFlag cancelled);

/// target[r, c] = source[r, c] · scales[c], in float32.
void scaleColumns(std::span<const float> source, std::span<const float> scales, std::span<float> target, CancelFlag cancelled);

}  // namespace qs
