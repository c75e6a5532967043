#pragma once
// The factor of a Hessian that says how errors of weights are made up for by later ones.
#include <span>

#include "../rows.h"

namespace qs {

/// Columns are quantized in blocks: those of one block are worked on together.
struct Blocks {
  size_t columns;
  size_t length;  // columns of a block; the last may have fewer

  size_t count() const { return (columns + length - 1) / length; }
  size_t first(size_t block) const { return block * length; }
  size_t columnsOf(size_t block) const { return std::min(length, columns - first(block)); }
  /// Columns of a block, padded to whole tiles of 4.
  size_t width(size_t block) const { return padded(columnsOf(block)); }
  /// Start of a block in the factor: `first` rows in tiles of 4 columns `[width / 4, first, 4]`, then the block itself `[width, width]`.
  size_t offset(size_t block) const {
    const size_t whole = padded(length);
    return whole * length * (block * (block - 1) / 2) + block * whole * whole;
  }
  size_t size() const {
    const size_t last = count() - 1;
    return offset(last) + first(last) * width(last) + width(last) * width(last);
  }

  /// Fails for a matrix without columns or blocks, and for more columns than its sizes can be computed of.
  void require() const {
    constexpr size_t kMost = size_t{1} << 26;
    if (columns == 0 || length == 0) fail("a matrix needs columns and blocks");
    if (columns > kMost || length > kMost) fail("a matrix has more than 67,108,864 columns");
  }

  static size_t padded(size_t n) { return (n + 3) / 4 * 4; }
};

/// H + damping · I = R·Rᵀ with R upper triangular, by a Cholesky decomposition in float64 (each element a plain sum in the order of its
/// terms). H is `[columns, columns]`, its columns taken in `order` (empty: as they are); a column of zeros gets 1 on the diagonal.
/// `factor` gets R[j, k] / R[k, k] for j < k, as `Blocks` lays it out; `pivots` R[k, k].
/// Returns the column at which it fails because H is not positive definite, or the number of columns.
size_t factorHessian(std::span<const double> hessian, std::span<const int32_t> order, double damping, Blocks blocks,
                     std::span<float> factor, std::span<double> pivots, CancelFlag cancelled);

}  // namespace qs
