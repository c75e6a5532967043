#pragma once
// A row of weights in a grid, and the parameters of its groups.
#include <cstddef>

#include "weight_grid.h"

namespace qs {

/// A row of weights whose groups are `length` consecutive ones; the last may be shorter. `scales` and `zeros` are those of the groups.
struct GridRow {
  size_t columns;
  size_t length;
  const float* scales;
  const float* zeros;  // or null
  float globalScale;   // or 0
};

}  // namespace qs
