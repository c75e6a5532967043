#pragma once
// A row of weights in a grid, and the parameters of its groups.
#include <cstddef>

#include "weight_grid.h"

namespace qs {

/// A row of weights whose groups are `length` consecutive ones; the last may be shorter. The parameters are those of the groups.
struct GridRow {
  size_t columns;
  size_t length;
  const float* scales;
  const float* zeros;     // or null
  const float* inverses;  // null: they follow from the scales
  float globalScale;      // or 0
};

/// A matrix whose groups are rectangles, numbered row by row; those at its right and lower ends may be smaller.
struct GroupedMatrix {
  size_t rows;
  size_t columns;
  size_t groupRows;
  size_t groupColumns;

  size_t across() const { return (columns + groupColumns - 1) / groupColumns; }
  size_t groups() const { return (rows + groupRows - 1) / groupRows * across(); }
};

}  // namespace qs
