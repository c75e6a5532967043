#pragma once
// A Hessian in the order in which rows of a slab are multiplied by it (kernels/feedback.h).
#include <span>

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

}  // namespace qs
