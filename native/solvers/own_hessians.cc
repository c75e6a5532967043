#include "own_hessians.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"
#include "block_codes.h"
#include "block_row.h"
#include "row_steps.h"

namespace qs {
namespace {

/// Sums that are added up side by side.
constexpr size_t kSums = 16;

/// Σ a · b, in float32, in an order of its own.
float dot(const float* a, const float* b, size_t count) {
  float sums[kSums] = {};
  for (size_t k = 0; k < count; k += kSums) {
    for (size_t i = 0; i < kSums; ++i) sums[i] = sums[i] + a[k + i] * b[k + i];
  }
  float sum = 0;
  for (const float some : sums) sum = sum + some;
  return sum;
}

double squares(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum;
}

/// The part of the Hessians that all rows share, in float32.
std::vector<float> sharedHessian(const OwnHessiansDescent& descent, size_t columns, CancelFlag cancelled) {
  std::vector<float> shared(columns * columns);
  overRows(columns, 1, cancelled, [&](size_t row, size_t) {
    for (size_t column = 0; column < columns; ++column) {
      double value = descent.hessian.values[row * columns + column];
      if (row == column && value == 0.0) value = 1.0;
      value *= 1 - descent.share;
      if (row == column) value += descent.hessian.damping;
      shared[row * columns + column] = static_cast<float>(value);
    }
  });
  return shared;
}

/// The descent of one row.
class OwnDescent {
 public:
  /// @param factor of the squares of its inputs.
  OwnDescent(const BlockParts& parts, const std::vector<float>& shared, std::span<const float> inputs, double factor, BlockRow& row,
             size_t columns)
      : parts_(parts),
        steps_(parts),
        shared_(shared),
        inputs_(inputs),
        factor_(static_cast<float>(factor)),
        row_(row),
        columns_(columns),
        count_(inputs.size() / columns),
        outputs_(count_),
        factors_(count_),
        gradients_(kPanelColumns),
        hessian_(kPanelColumns * kPanelColumns) {}

  void run(size_t rounds) {
    const double before = measure();
    double error = before;
    for (size_t round = 0; round < rounds; ++round) {
      double gained = 0;
      overPanels([&](size_t first, size_t width) { gained += improve(first, width); });
      if (gained <= kLeastGain * error) break;
      error -= gained;
    }
    if (measure() < before) row_.write();
  }

 private:
  template <typename Work>
  void overPanels(const Work& work) {
    for (size_t first = 0; first < columns_; first += kPanelColumns) {
      const size_t width = std::min(kPanelColumns, columns_ - first);
      findGradients(first, width);
      work(first, width);
    }
  }

  /// d·H at some columns: by the shared part, and by the outputs of the row for its inputs.
  void findGradients(size_t first, size_t width) {
    std::fill(gradients_.begin(), gradients_.end(), 0.0f);
    kernels().addRows(gradients_.data(), row_.errors(0), shared_.data() + first, columns_, columns_, width);
    for (size_t j = 0; j < count_; ++j) outputs_[j] = factor_ * dot(inputs_.data() + j * columns_, row_.errors(0), columns_);
    kernels().addRows(gradients_.data(), outputs_.data(), inputs_.data() + first, columns_, count_, width);
  }

  double measure() {
    double sum = 0;
    overPanels([&](size_t first, size_t width) {
      for (size_t k = 0; k < width; ++k) sum += static_cast<double>(row_.errors(first)[k]) * gradients_[k];
    });
    return sum;
  }

  double improve(size_t first, size_t width) {
    findHessian(first, width);
    const std::vector<double> sums = groupSums(hessian_.data(), kPanelColumns, width, parts_.group);
    return steps_.improve(row_, {first, width, hessian_.data(), kPanelColumns, sums, gradients_.data()});
  }

  /// The Hessian of some columns; the last one is kept, which is all where rows are short.
  void findHessian(size_t first, size_t width) {
    if (known_ == first) return;
    known_ = first;
    for (size_t i = 0; i < width; ++i) {
      float* to = hessian_.data() + i * kPanelColumns;
      const size_t from = i / kSums * kSums;  // columns before are those of rows before
      std::copy_n(shared_.data() + (first + i) * columns_ + first + from, width - from, to + from);
      for (size_t j = 0; j < count_; ++j) factors_[j] = factor_ * inputs_[j * columns_ + first + i];
      kernels().addRows(to + from, factors_.data(), inputs_.data() + first + from, columns_, count_, width - from);
    }
    for (size_t i = 0; i < width; ++i) {
      for (size_t k = 0; k < i; ++k) hessian_[i * kPanelColumns + k] = hessian_[k * kPanelColumns + i];
    }
  }

  const BlockParts& parts_;
  RowSteps steps_;
  const std::vector<float>& shared_;
  std::span<const float> inputs_;
  float factor_;
  BlockRow& row_;
  size_t columns_;
  size_t count_;                  // inputs
  std::vector<float> outputs_;    // of the errors for the inputs
  std::vector<float> factors_;    // of the inputs
  std::vector<float> gradients_;  // of the panel
  std::vector<float> hessian_;    // of the panel
  size_t known_ = SIZE_MAX;       // first column of that
};

/// Columns of the matrix, from the length of the Hessian.
size_t checkedColumns(const OwnHessiansDescent& descent, const BlockParts& parts) {
  size_t columns = parts.weights;
  while (columns * columns < descent.hessian.values.size()) columns += parts.weights;
  requireLength("the Hessian", descent.hessian.values.size(), product(columns, columns));
  const size_t rows = rowsOf(descent.weights, columns);
  if (!(descent.share >= 0 && descent.share <= 1)) fail("the share is not between 0 and 1");
  requireLength("blocks", descent.blocks.size(), rows * columns / parts.weights * parts.bytes);
  requireLength("starts", descent.starts.size(), rows + 1);
  if (!std::is_sorted(descent.starts.begin(), descent.starts.end()) || descent.starts.front() != 0) fail("starts are not in order");
  requireLength("inputs", descent.inputs.size(), product(static_cast<size_t>(descent.starts.back()), columns));
  return columns;
}

}  // namespace

void descendOwnHessians(const OwnHessiansDescent& descent, CancelFlag cancelled) {
  const BlockParts& parts = partsOf(descent.type);
  const size_t columns = checkedColumns(descent, parts);
  const size_t rows = descent.weights.size() / columns;
  if (rows == 0) return;
  const std::vector<float> shared = sharedHessian(descent, columns, cancelled);
  double trace = 0;
  for (size_t i = 0; i < columns; ++i) trace += descent.hessian.values[i * (columns + 1)];
  const size_t bytes = descent.blocks.size() / rows;
  overRows(rows, 1, cancelled, [&](size_t row, size_t) {
    const auto start = static_cast<size_t>(descent.starts[row]);
    const std::span<const float> own = descent.inputs.subspan(start * columns, (static_cast<size_t>(descent.starts[row + 1]) - start) * columns);
    const double factor = descent.share * trace / squares(own);
    if (own.empty() || !std::isfinite(factor)) return;
    BlockRow blocks(parts, descent.grid, descent.weights.subspan(row * columns, columns), descent.blocks.subspan(row * bytes, bytes));
    OwnDescent(parts, shared, own, factor, blocks, columns).run(descent.rounds);
  });
}

}  // namespace qs
