#pragma once
// What a search for the ranges of groups is given.
#include <cstddef>
#include <span>

#include "grid_row.h"

namespace qs {

struct ClipSearch {
  static constexpr size_t kMostFactors = 256;

  GroupedMatrix matrix;
  const float* source;
  std::span<const float> importance;  // empty, or the weight of the error of each column
  std::span<const float> factors;     // what ranges are multiplied by
  float globalScale;                  // or 0
};

}  // namespace qs
