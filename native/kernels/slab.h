#pragma once
// Rows of a matrix side by side: element (column, row) of a slab is at [column · kSlab + row], so that rows are lanes.
#include <cstddef>
#include <cstdint>

namespace qs {

inline constexpr size_t kSlab = 64;

/// Some consecutive columns of a block of a slab, whose errors the columns after them make up for.
struct ColumnRun {
  const float* within;   // [width, width]: what a unit of error of a column adds to the sums of the columns after it
  size_t width;          // of the block
  size_t first;          // in the block
  size_t count;
  const float* weights;  // [count, kSlab]
  float* sums;           // [width, kSlab]: what the columns before have added
};

/// Scale, its inverse and zero point of each weight of a run, `[count, kSlab]`.
struct RunParameters {
  const float* scales;
  const float* inverses;
  const float* zeros;
};

/// What quantizing a run gives, `[count, kSlab]`.
struct RunResults {
  float* errors;     // weight − decoded
  float* residuals;  // target − decoded; a target is a weight and its sum
  uint8_t* codes;
};

}  // namespace qs
