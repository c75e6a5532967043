#include "two_sided.h"

#include <algorithm>
#include <vector>

#include "../kernels/kernels.h"
#include "block_codes.h"
#include "block_row.h"
#include "row_steps.h"

namespace qs {
namespace {

/// Rows whose feedback from all other rows is found at a time; that of the rows among them is added as they change.
constexpr size_t kRowsAtOnce = 64;

class BothSides {
 public:
  BothSides(const TwoSidedDescent& descent, size_t columns, CancelFlag cancelled)
      : parts_(partsOf(descent.type)),
        steps_(parts_),
        covariance_(descent.covariance),
        rounds_(descent.rounds),
        columns_(columns),
        rows_(descent.weights.size() / columns),
        cancelled_(cancelled),
        hessian_(columns * columns),
        products_(rows_ * kPanelColumns),
        feedback_(kRowsAtOnce * kPanelColumns),
        factors_(kRowsAtOnce * rows_) {
    overRows(columns_, 1, cancelled_, [&](size_t row, size_t) { setHessian(descent.hessian, row); });
    const size_t bytes = descent.blocks.size() / rows_;
    own_.reserve(rows_);
    for (size_t row = 0; row < rows_; ++row) {
      own_.emplace_back(parts_, descent.grid, descent.weights.subspan(row * columns_, columns_),
                        descent.blocks.subspan(row * bytes, bytes));
    }
  }

  void run() {
    double error = 0;
    overPanels([&](size_t first, size_t width) { error += measure(first, width); });
    const double before = error;
    for (size_t round = 0; round < rounds_; ++round) {
      double gained = 0;
      overPanels([&](size_t first, size_t width) { gained += improve(first, width); });
      if (gained <= kLeastGain * error) break;
      error -= gained;
    }
    double after = 0;
    overPanels([&](size_t first, size_t width) { after += measure(first, width); });
    if (!(after < before)) return;
    for (const BlockRow& row : own_) row.write();
  }

 private:
  void setHessian(const DampedMatrix& from, size_t row) {
    for (size_t column = 0; column < columns_; ++column) {
      double value = from.values[row * columns_ + column];
      if (row == column) value = (value == 0.0 ? 1.0 : value) + from.damping;
      hessian_[row * columns_ + column] = static_cast<float>(value);
    }
  }

  double weightOf(size_t row) const { return covariance_.values[row * (rows_ + 1)] + covariance_.damping; }
  float* productsOf(size_t row) { return products_.data() + row * kPanelColumns; }
  const float* hessianAt(size_t row, size_t column) const { return hessian_.data() + row * columns_ + column; }

  template <typename Work>
  void overPanels(const Work& work) {
    for (size_t first = 0; first < columns_; first += kPanelColumns) {
      const size_t width = std::min(kPanelColumns, columns_ - first);
      std::fill(products_.begin(), products_.end(), 0.0f);
      overRows(rows_, 1, cancelled_, [&](size_t row, size_t) {
        kernels().addRows(productsOf(row), own_[row].errors(0), hessianAt(0, first), columns_, columns_, width);
      });
      work(first, width);
    }
  }

  /// What rows that are not among some have to do with these: Σ G[i, r] / G[i, i] · products of r, into `feedback_`; `factors_` of all rows.
  void findFeedback(size_t from, size_t count, size_t width) {
    std::fill(feedback_.begin(), feedback_.end(), 0.0f);
    overRows(count, 1, cancelled_, [&](size_t i, size_t) {
      const size_t row = from + i;
      float* factors = factors_.data() + i * rows_;
      for (size_t r = 0; r < rows_; ++r) {
        factors[r] = r == row ? 0.0f : static_cast<float>(covariance_.values[row * rows_ + r] / weightOf(row));
      }
      const size_t end = from + count;
      float* sums = feedback_.data() + i * kPanelColumns;
      kernels().addRows(sums, factors, productsOf(0), kPanelColumns, from, width);
      kernels().addRows(sums, factors + end, productsOf(0) + end * kPanelColumns, kPanelColumns, rows_ - end, width);
    });
  }

  /// Adds what the rows among some have to do with one of them, as they are now.
  void addNear(float* sums, size_t from, size_t count, size_t i, size_t width) {
    kernels().addRows(sums, factors_.data() + i * rows_ + from, productsOf(from), kPanelColumns, count, width);
  }

  /// Calls work(row, sums) with the gradients of each row, less its own products, in turn.
  template <typename Work>
  void overFeedback(size_t width, const Work& work) {
    for (size_t from = 0; from < rows_; from += kRowsAtOnce) {
      const size_t count = std::min(kRowsAtOnce, rows_ - from);
      findFeedback(from, count, width);
      for (size_t i = 0; i < count; ++i) {
        float* sums = feedback_.data() + i * kPanelColumns;
        addNear(sums, from, count, i, width);
        work(from + i, sums);
      }
    }
  }

  /// The part of tr(G·D·H·Dᵀ) of some columns.
  double measure(size_t first, size_t width) {
    double sum = 0;
    overFeedback(width, [&](size_t row, const float* feedback) {
      const float* errors = own_[row].errors(first);
      double loss = 0;
      for (size_t k = 0; k < width; ++k) loss += static_cast<double>(errors[k]) * (productsOf(row)[k] + feedback[k]);
      sum += weightOf(row) * loss;
    });
    return sum;
  }

  /// A round over some columns of all rows. Returns what it gains.
  double improve(size_t first, size_t width) {
    const std::vector<double> sums = groupSums(hessianAt(first, first), columns_, width, parts_.group);
    double gained = 0;
    overFeedback(width, [&](size_t row, float* feedback) {
      for (size_t k = 0; k < width; ++k) feedback[k] = productsOf(row)[k] + feedback[k];
      const RowPanel panel{first, width, hessianAt(first, first), columns_, sums, feedback, productsOf(row)};
      gained += weightOf(row) * steps_.improve(own_[row], panel);
    });
    return gained;
  }

  const BlockParts& parts_;
  RowSteps steps_;
  DampedMatrix covariance_;
  size_t rounds_;
  size_t columns_;
  size_t rows_;
  CancelFlag cancelled_;
  std::vector<float> hessian_;
  std::vector<BlockRow> own_;
  std::vector<float> products_;  // D·H of the panel, [rows, kPanelColumns]
  std::vector<float> feedback_;  // [kRowsAtOnce, kPanelColumns]
  std::vector<float> factors_;   // [kRowsAtOnce, rows]
};

void check(const TwoSidedDescent& descent, const BlockParts& parts, size_t columns) {
  const size_t rows = rowsOf(descent.weights, columns);
  requireLength("the covariance", descent.covariance.values.size(), product(rows, rows));
  requireLength("blocks", descent.blocks.size(), rows * columns / parts.weights * parts.bytes);
}

}  // namespace

size_t matrixColumns(const DampedMatrix& hessian, const BlockParts& parts) {
  size_t columns = parts.weights;
  while (columns * columns < hessian.values.size()) columns += parts.weights;
  requireLength("the Hessian", hessian.values.size(), product(columns, columns));
  return columns;
}

void descendBothSides(const TwoSidedDescent& descent, CancelFlag cancelled) {
  const BlockParts& parts = partsOf(descent.type);
  const size_t columns = matrixColumns(descent.hessian, parts);
  check(descent, parts, columns);
  if (descent.weights.empty()) return;
  const size_t rows = descent.weights.size() / columns;
  for (size_t row = 0; row < rows; ++row) {
    const double weight = descent.covariance.values[row * (rows + 1)] + descent.covariance.damping;
    if (!(weight > 0)) return;  // nothing is known of the outputs
  }
  BothSides(descent, columns, cancelled).run();
}

}  // namespace qs
