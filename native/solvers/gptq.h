#pragma once
// GPTQ (Frantar et al. 2022), block by block of columns over all rows: the caller finds scales between the blocks. Positions are those of
// columns in the order in which they are quantized. Rows are worked on in slabs (kernels/slab.h), each independent of the others.
#include <span>

#include "../kernels/slab.h"
#include "../kernels/weight_grid.h"
#include "factor.h"

namespace qs {

/// A matrix that is being quantized, and how far that has come.
struct ColumnState {
  Blocks blocks;
  std::span<const float> factor;   // of factorHessian
  std::span<const double> pivots;
  std::span<const int32_t> order;  // column at each position; empty: as they are
  std::span<const float> weights;  // [rows, columns]
  std::span<float> errors;         // weight − decoded of the positions so far: a slab [columns, kSlab] for each kSlab rows
  std::span<float> sums;           // of the block: [width of a whole block, kSlab] for each kSlab rows
  std::span<double> losses;        // for each row: (ŵ − w)ᵀ H (ŵ − w) over the positions so far
  double damping;                  // on the diagonal that was factorized

  size_t rows() const { return rowsOf(weights, blocks.columns); }
};

/// Parameters of the groups of a matrix: that of a weight is at row / groupRows · across + groups[column]; with `flat`, at
/// (row · columns + column) / flat.
struct ColumnParameters {
  std::span<const float> scales;
  std::span<const float> zeros;  // or empty
  float globalScale;             // or 0
  size_t groupRows;
  size_t across;
  size_t flat;  // or 0
  std::span<const int32_t> groups;
};

/// Starts a block: sums of what the errors before it add to each of its columns.
void startBlock(const ColumnState& state, size_t block, CancelFlag cancelled);

/// The weights `[rows, count]` that positions of the block that was started should have, were those from `first` on free.
void predictColumns(const ColumnState& state, size_t first, size_t count, std::span<float> targets, CancelFlag cancelled);

/// Quantizes positions of the block that was started. `codes` `[rows, columns]` gets them at their columns.
void quantizeColumns(const ColumnState& state, const WeightGrid& grid, const ColumnParameters& parameters, size_t first,
                     size_t count, std::span<uint8_t> codes, CancelFlag cancelled);

/// As quantizeColumns for weights `[rows, columns]` that were quantized and decoded in another way: the losses are theirs.
void followColumns(const ColumnState& state, std::span<const float> decoded, size_t first, size_t count, CancelFlag cancelled);

}  // namespace qs
