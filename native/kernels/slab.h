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

/// Some rows of a slab: whole multiples of 16.
struct LaneRange {
  size_t first;
  size_t end;
};

/// A few consecutive columns of a slab whose codes are improved together. `gradients` are D·H at these columns, D the errors of all columns.
struct GroupRun {
  const float* hessian;  // of these columns: [count / 4, count, 4]
  size_t count;
  LaneRange lanes;       // that are worked on
  const float* weights;  // [count, kSlab], as all below
  float* gradients;
  float* errors;  // decoded − weight
  uint8_t* codes;
};

/// Scale, its inverse and zero of each row, `[kSlab]`.
struct GroupScales {
  const float* scales;
  const float* inverses;
  const float* zeros;
};

/// What changes of scale and zero of each row do to its output error, `[kSlab]`: with x and y added to them, the error of the outputs changes
/// by 2·(x·la + y·sa) + x²·lhl + 2·x·y·lhs + y²·Σ H, for levels l, gradients a and a vector s of ones.
struct GroupMoments {
  float* la;
  float* sa;
  float* lhl;
  float* lhs;
};

/// A few consecutive columns of one row whose codes are improved together; the Hessian of these columns is `[count, count]`, row by row with
/// `stride` numbers in between. `count` is a multiple of 16.
struct RowRun {
  const float* hessian;
  size_t stride;
  size_t count;
  const float* weights;  // [count], as all below
  float* gradients;
  float* errors;  // decoded − weight
  uint8_t* codes;
};

/// Scale, its inverse and zero of a group of a row.
struct RowScale {
  float scale;
  float inverse;
  float zero;
};
}  // namespace qs
