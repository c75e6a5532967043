#include "products.h"

#include <cmath>

#include "simd/vector.h"

namespace qs::QS_TARGET {
namespace {

constexpr size_t kRows = 4;  // of a tile of sums that stays in registers
constexpr size_t kWidth = static_cast<size_t>(kSumVectors) * kDoubles;
static_assert(kPanel % kRows == 0 && kPanel % kWidth == 0);

/// One tile: kRows × kWidth sums over all terms.
template <bool kSubtract>
QS_INLINE void addTile(double* sums, size_t stride, Factors left, const double* right, size_t count) {
  F64 tile[kRows][kSumVectors];
  for (size_t i = 0; i < kRows; ++i) {
    for (int v = 0; v < kSumVectors; ++v) tile[i][v] = load(sums + i * stride + static_cast<size_t>(v * kDoubles));
  }
  for (size_t t = 0; t < count; ++t) {
    F64 factors[kSumVectors];
    for (int v = 0; v < kSumVectors; ++v) factors[v] = load(right + t * kPanel + static_cast<size_t>(v * kDoubles));
    for (size_t i = 0; i < kRows; ++i) {
      const F64 factor = splat(left.at[i * left.row + t * left.step]);
      for (int v = 0; v < kSumVectors; ++v) {
        const F64 product = factor * factors[v];
        tile[i][v] = kSubtract ? tile[i][v] - product : tile[i][v] + product;
      }
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    for (int v = 0; v < kSumVectors; ++v) store(sums + i * stride + static_cast<size_t>(v * kDoubles), tile[i][v]);
  }
}

template <bool kSubtract>
void addAll(double* sums, size_t stride, Factors left, const double* right, size_t count) {
  constexpr size_t kTerms = 128;  // factors of so many terms stay in the cache of a core for all tiles
  for (size_t done = 0; done < count; done += kTerms) {
    const size_t terms = count - done < kTerms ? count - done : kTerms;
    for (size_t j = 0; j < kPanel; j += kWidth) {
      for (size_t i = 0; i < kPanel; i += kRows) {
        const Factors some{left.at + i * left.row + done * left.step, left.row, left.step};
        addTile<kSubtract>(sums + i * stride + j, stride, some, right + done * kPanel + j, terms);
      }
    }
  }
}

/// row[j] −= factor · other[j] for first ≤ j < kPanel.
QS_INLINE void subtractRow(double* row, double factor, const double* other, size_t first) {
  for (size_t j = first; j < kPanel; ++j) row[j] -= factor * other[j];
}

}  // namespace

void addProducts(double* sums, size_t stride, Factors left, const double* right, size_t count) {
  addAll<false>(sums, stride, left, right, count);
}

void subtractProducts(double* sums, size_t stride, Factors left, const double* right, size_t count) {
  addAll<true>(sums, stride, left, right, count);
}

size_t factorDiagonal(double* block, size_t stride, double* transposed) {
  for (size_t j = 0; j < kPanel; ++j) {
    for (size_t i = 0; i < kPanel; ++i) transposed[j * kPanel + i] = i < j ? 0.0 : block[i * stride + j];
  }
  // Row j of the transpose is column j of L, which is subtracted from the columns after it.
  for (size_t j = 0; j < kPanel; ++j) {
    double* column = transposed + j * kPanel;
    const double pivot = std::sqrt(column[j]);
    if (!(pivot > 0.0 && std::isfinite(pivot))) return j;
    column[j] = pivot;
    for (size_t i = j + 1; i < kPanel; ++i) column[i] /= pivot;
    for (size_t k = j + 1; k < kPanel; ++k) subtractRow(transposed + k * kPanel, column[k], column, k);
  }
  for (size_t i = 0; i < kPanel; ++i) {
    for (size_t j = 0; j <= i; ++j) block[i * stride + j] = transposed[j * kPanel + i];
  }
  return kPanel;
}

void solveRows(double* rows, size_t stride, size_t count, const double* transposed) {
  for (size_t i = 0; i < count; ++i) {
    double* row = rows + i * stride;
    for (size_t j = 0; j < kPanel; ++j) {
      row[j] /= transposed[j * kPanel + j];
      subtractRow(row, row[j], transposed + j * kPanel, j + 1);
    }
  }
}

}  // namespace qs::QS_TARGET
