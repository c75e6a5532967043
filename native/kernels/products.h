#pragma once
// Products of matrices with float64 sums, and the steps of a Cholesky factorization that are not products.
#include "factors.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

/// sums[i · stride + j] += Σ_t left(i, t) · right[t · kPanel + j] for i, j < kPanel, terms added one by one in the order of t.
void addProducts(double* sums, size_t stride, Factors left, const double* right, size_t count);
/// The same, subtracted.
void subtractProducts(double* sums, size_t stride, Factors left, const double* right, size_t count);

/// L of the lower triangle of a symmetric matrix `[kPanel, kPanel]` = L·Lᵀ, in its place. `transposed` gets Lᵀ.
/// Returns the index of the first pivot that is not positive and finite, or kPanel.
size_t factorDiagonal(double* block, size_t stride, double* transposed);

/// rows[i] · L⁻ᵀ for `count` rows of kPanel: x_j = (c_j − Σ_{q<j} x_q L[j][q]) / L[j][j]. `transposed` is Lᵀ `[kPanel, kPanel]`.
void solveRows(double* rows, size_t stride, size_t count, const double* transposed);

}  // namespace qs::QS_TARGET
