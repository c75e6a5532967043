#pragma once
// What errors of the rows of a slab have to do with each other.
#include <array>

#include "../kernels/slab.h"

namespace qs {

/// Of a covariance G of rows i and r; zeros for lanes after the last row.
struct RowCoupling {
  std::array<float, kSlab * kSlab> shares;  // G[i, r] / G[i, i] at [r · kSlab + i], zeros for r = i
  std::array<double, kSlab> weights;        // G[i, i]
};

}  // namespace qs
