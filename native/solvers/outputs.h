#pragma once
// How far differences of weights move the outputs of a matrix.
#include <span>

#include "../rows.h"

namespace qs {

/// errors[r, g] = Σ_t (Σ_{c in g} differences[r, c] · inputs[t, c])² for groups of `group` consecutive columns, the last of which may be
/// shorter: the squared change of output r over all tokens t, as far as the columns of g cause it. Products of float32 are exact in float64
/// and are added in order. `differences` is `[rows, columns]`, `inputs` `[tokens, columns]`, `errors` `[rows, groups]`.
void outputErrors(std::span<const float> differences, std::span<const float> inputs, size_t columns, size_t group,
                  std::span<double> errors, CancelFlag cancelled);

}  // namespace qs
