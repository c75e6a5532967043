#include "factor.h"

#include <vector>

#include "../kernels/kernels.h"

namespace qs {
namespace {

/// The lower triangle of a symmetric matrix, or L of its Cholesky decomposition, in rows of panels: panel row i has kPanel rows of
/// (i + 1) · kPanel. Padded with the identity. Rows and columns are those of H in the opposite order, since L·Lᵀ of that is R·Rᵀ of H.
class Triangle {
 public:
  explicit Triangle(size_t n) : n_(n), rows_((n + kPanel - 1) / kPanel) {}

  size_t panels() const { return rows_.size(); }
  static size_t stride(size_t panel) { return (panel + 1) * kPanel; }
  double* row(size_t panel) { return rows_[panel].data(); }
  void release(size_t panel) { rows_[panel] = {}; }

  template <typename Element>
  void fill(size_t panel, const Element& element) {
    const size_t width = stride(panel);
    rows_[panel].assign(kPanel * width, 0.0);
    for (size_t r = 0; r < kPanel; ++r) {
      const size_t i = panel * kPanel + r;
      double* to = row(panel) + r * width;
      for (size_t j = 0; j <= i; ++j) to[j] = i < n_ ? element(n_ - 1 - i, n_ - 1 - j) : i == j ? 1.0 : 0.0;
    }
  }

 private:
  size_t n_;
  std::vector<std::vector<double>> rows_;
};

/// Rows of a panel row, transposed: `[columns, kPanel]`, which products take as their right side.
void transposeInto(const double* row, size_t stride, size_t columns, double* to) {
  for (size_t r = 0; r < kPanel; ++r) {
    for (size_t t = 0; t < columns; ++t) to[t * kPanel + r] = row[r * stride + t];
  }
}

/// Cholesky decomposition in place, one panel of columns after the other. Returns the failing row, or that after the last.
size_t decompose(Triangle& triangle, CancelFlag cancelled) {
  const size_t panels = triangle.panels();
  std::vector<double> right(panels * kPanel * kPanel);
  std::vector<double> diagonal(kPanel * kPanel);
  for (size_t panel = 0; panel < panels; ++panel) {
    const size_t done = panel * kPanel;
    transposeInto(triangle.row(panel), Triangle::stride(panel), done, right.data());
    const auto subtract = [&](size_t other) {
      double* row = triangle.row(other);
      const size_t stride = Triangle::stride(other);
      kernels().subtractProducts(row + done, stride, {row, stride, 1}, right.data(), done);
    };
    subtract(panel);
    const size_t failed =
        kernels().factorDiagonal(triangle.row(panel) + done, Triangle::stride(panel), diagonal.data());
    if (failed < kPanel) return done + failed;
    overRows(panels - panel - 1, 1, cancelled, [&](size_t index, size_t) {
      const size_t other = panel + 1 + index;
      subtract(other);
      kernels().solveRows(triangle.row(other) + done, Triangle::stride(other), kPanel, diagonal.data());
    });
  }
  return panels * kPanel;
}

/// Writes row j of the factor: R[j, k] / R[k, k] for the columns after it.
void writeRow(const double* elements, std::span<const double> pivots, size_t j, Blocks blocks, std::span<float> factor) {
  for (size_t block = j / blocks.length; block < blocks.count(); ++block) {
    const size_t first = blocks.first(block);
    const size_t width = blocks.width(block);
    float* to = factor.data() + blocks.offset(block);
    for (size_t c = j < first ? 0 : j + 1 - first; c < blocks.columnsOf(block); ++c) {
      const size_t k = first + c;
      const auto value = static_cast<float>(elements[blocks.columns - 1 - k] / pivots[k]);
      if (j < first) {
        to[(c / 4 * first + j) * 4 + c % 4] = value;
      } else {
        to[first * width + (j - first) * width + c] = value;
      }
    }
  }
}

}  // namespace

size_t factorHessian(std::span<const double> hessian, std::span<const int32_t> order, double damping, Blocks blocks,
                     std::span<float> factor, std::span<double> pivots, CancelFlag cancelled) {
  const size_t n = blocks.columns;
  blocks.require();
  requireLength("the Hessian", hessian.size(), n * n);
  if (!order.empty()) requireLength("the order", order.size(), n);
  requireLength("the factor", factor.size(), blocks.size());
  requireLength("pivots", pivots.size(), n);
  const auto columnAt = [&](size_t position) { return order.empty() ? position : static_cast<size_t>(order[position]); };
  const auto element = [&](size_t row, size_t column) {
    const double value = hessian[columnAt(row) * n + columnAt(column)];
    return row != column ? value : (value == 0.0 ? 1.0 : value) + damping;
  };
  for (size_t position = 0; position < order.size(); ++position) {
    if (columnAt(position) >= n) fail("the order names a column that there is not");
  }
  Triangle triangle(n);
  overRows(triangle.panels(), 1, cancelled, [&](size_t panel, size_t) { triangle.fill(panel, element); });
  const size_t failed = decompose(triangle, cancelled);
  if (failed < n) return columnAt(n - 1 - failed);
  for (size_t i = 0; i < n; ++i) {
    const size_t panel = i / kPanel;
    pivots[n - 1 - i] = triangle.row(panel)[(i - panel * kPanel) * Triangle::stride(panel) + i];
  }
  overRows(triangle.panels(), 1, cancelled, [&](size_t panel, size_t) {
    const size_t end = std::min((panel + 1) * kPanel, n);
    for (size_t i = panel * kPanel; i < end; ++i) {
      const double* elements = triangle.row(panel) + (i - panel * kPanel) * Triangle::stride(panel);
      writeRow(elements, pivots, n - 1 - i, blocks, factor);
    }
    triangle.release(panel);
  });
  return n;
}

}  // namespace qs
