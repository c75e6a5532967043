#include "two_sided.h"

#include <algorithm>
#include <array>
#include <vector>

#include "../kernels/kernels.h"
#include "../kernels/slab.h"
#include "block_codes.h"
#include "block_row.h"
#include "scale_fit.h"

namespace qs {
namespace {

/// Columns whose products are known at a time.
constexpr size_t kPanelColumns = 256;
/// Rows whose feedback from all other rows is found at a time; that of the rows among them is added as they change.
constexpr size_t kRowsAtOnce = 64;
/// Sweeps over the codes of a group after each change of its scales.
constexpr size_t kSweeps = 2;
/// A round that improves the error by less, relative to that error, ends the descent.
constexpr double kLeastGain = 1e-4;

class BothSides {
 public:
  BothSides(const TwoSidedDescent& descent, size_t columns, CancelFlag cancelled)
      : parts_(partsOf(descent.type)),
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
      gained_ = 0;
      overPanels([&](size_t first, size_t width) { improve(first, width); });
      if (gained_ <= kLeastGain * error) break;
      error -= gained_;
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

  void improve(size_t first, size_t width) {
    overFeedback(width, [&](size_t row, float* feedback) {
      for (size_t k = 0; k < width; ++k) feedback[k] = productsOf(row)[k] + feedback[k];
      for (size_t column = first; column < first + width; column += parts_.weights) {
        if (parts_.groups() > 1 && parts_.codes.hasFactor) improveFactors(row, first, column, feedback);
        for (size_t i = 0; i < parts_.weights; i += parts_.group) improveGroup(row, first, column + i, feedback);
      }
    });
  }

  /// Adds what the errors of some columns have changed by to the gradients of the row and to its products.
  void addSteps(size_t row, size_t first, size_t column, const float* steps, float* gradients) {
    const size_t width = std::min(kPanelColumns, columns_ - first);
    for (float* sums : {gradients, productsOf(row)}) {
      kernels().addRows(sums, steps, hessianAt(column, first), columns_, parts_.group, width);
    }
  }

  void improveGroup(size_t row, size_t first, size_t column, float* gradients) {
    BlockRow& own = own_[row];
    GroupCopy state;
    std::copy_n(gradients + (column - first), parts_.group, state.gradients.begin());
    std::copy_n(own.errors(column), parts_.group, state.errors.begin());
    std::copy_n(own.codes(column), parts_.group, state.codes.begin());
    const size_t group = own.groupAt(column);
    const auto attempt = [&](const auto& change) {
      const BlockScales scales = change(own.scalesAt(column), momentsOf(own, column, state));
      gained_ += weightOf(row) * tryScales(own, column, scales, state);
    };
    attempt([](const BlockScales& scales, const ScaleMoments&) { return scales; });
    attempt([&](const BlockScales& scales, const ScaleMoments& moments) { return fitGroup(parts_.codes, scales, group, moments); });
    for (const int by : {-1, 1}) {
      attempt([&](const BlockScales& scales, const ScaleMoments& moments) {
        return moveGroup(parts_.codes, scales, group, by, moments);
      });
    }
    std::array<float, kMostGroupWeights> steps;
    for (size_t i = 0; i < parts_.group; ++i) steps[i] = state.errors[i] - own.errors(column)[i];
    std::copy_n(state.errors.begin(), parts_.group, own.errors(column));
    std::copy_n(state.codes.begin(), parts_.group, own.codes(column));
    addSteps(row, first, column, steps.data(), gradients);
  }

  /// Changes the scales of a group, sweeps over its codes, and keeps what is better. Returns what it gains.
  double tryScales(BlockRow& own, size_t column, const BlockScales& scales, GroupCopy& state) {
    GroupCopy trial = state;
    const RowRun run = runOf(own, column, trial);
    const RowScale scale = own.scaleOf(scales, column);
    kernels().rescaleRow(own.grid(), run, scale);
    for (size_t sweep = 0; sweep < kSweeps; ++sweep) kernels().sweepRow(own.grid(), run, scale);
    double change = 0;
    for (size_t i = 0; i < parts_.group; ++i) {
      const double step = trial.errors[i] - state.errors[i];
      change += step * (static_cast<double>(trial.gradients[i]) + state.gradients[i]);
    }
    if (!(change < 0)) return 0;
    state = trial;
    own.scalesAt(column) = scales;
    return -change;
  }

  RowRun runOf(const BlockRow& own, size_t column, GroupCopy& state) const {
    return {hessianAt(column, column), columns_, parts_.group, own.weights(column), state.gradients.data(), state.errors.data(),
            state.codes.data()};
  }

  ScaleMoments momentsOf(const BlockRow& own, size_t column, const GroupCopy& state) const {
    std::array<float, kMostGroupWeights> levels;
    std::array<float, kMostGroupWeights> products{};
    for (size_t i = 0; i < parts_.group; ++i) levels[i] = own.level(state.codes[i]);
    kernels().addRows(products.data(), levels.data(), hessianAt(column, column), columns_, parts_.group, parts_.group);
    float la = 0;
    float sa = 0;
    float lhl = 0;
    float lhs = 0;
    for (size_t k = 0; k < parts_.group; ++k) {
      la = la + levels[k] * state.gradients[k];
      sa = sa + state.gradients[k];
      lhl = lhl + levels[k] * products[k];
      lhs = lhs + products[k];
    }
    double shs = 0;
    for (size_t k = 0; k < parts_.group; k += 4) {
      for (size_t j = 0; j < parts_.group; ++j) {
        for (size_t q = k; q < k + 4; ++q) shs += *hessianAt(column + j, column + q);
      }
    }
    return {la, sa, lhl, lhs, shs};
  }

  // Factors of blocks.

  void improveFactors(size_t row, size_t first, size_t column, float* gradients) {
    BlockRow& own = own_[row];
    BlockScales& scales = own.scalesAt(column);
    const ScaleMoments moments = factorMoments(own, column, gradients + (column - first));
    const BlockScales found = fitFactors(parts_.codes, scales, moments);
    const double change = moments.change(found.d - scales.d, found.m - scales.m);
    if (!(change < 0)) return;
    gained_ -= weightOf(row) * change;
    scales = found;
    for (size_t at = column; at < column + parts_.weights; at += parts_.group) {
      std::array<float, kMostGroupWeights> steps;
      std::copy_n(own.errors(at), parts_.group, steps.begin());
      GroupCopy unused;
      const RowRun run{hessianAt(at, at), columns_,       parts_.group, own.weights(at), unused.gradients.data(),
                       own.errors(at),    own.codes(at)};
      kernels().rescaleRow(own.grid(), run, own.scaleOf(scales, at));
      for (size_t i = 0; i < parts_.group; ++i) steps[i] = own.errors(at)[i] - steps[i];
      addSteps(row, first, at, steps.data(), gradients);
    }
  }

  /// Moments of d, whose levels are scales · levels, and of m, whose levels are minimums.
  ScaleMoments factorMoments(const BlockRow& own, size_t column, const float* gradients) const {
    const BlockScales& scales = own.scalesAt(column);
    ScaleMoments moments{};
    std::vector<float> levels(parts_.weights);
    std::vector<float> minimums(parts_.weights);
    for (size_t i = 0; i < parts_.weights; ++i) {
      const size_t group = i / parts_.group;
      levels[i] = parts_.codes.valueOf(scales.scales[group]) * own.level(own.codes(column)[i]);
      minimums[i] = static_cast<float>(scales.minimums[group]);
      moments.la += static_cast<double>(levels[i]) * gradients[i];
    }
    const std::vector<float> products = multiplied(levels, column);
    for (size_t i = 0; i < parts_.weights; ++i) moments.lhl += static_cast<double>(levels[i]) * products[i];
    if (!parts_.codes.hasZeros) return moments;
    const std::vector<float> ofMinimums = multiplied(minimums, column);
    for (size_t i = 0; i < parts_.weights; ++i) {
      moments.lhs += static_cast<double>(minimums[i]) * products[i];
      moments.sa += static_cast<double>(minimums[i]) * gradients[i];
      moments.shs += static_cast<double>(minimums[i]) * ofMinimums[i];
    }
    return moments;
  }

  /// Some numbers of a block times its Hessian.
  std::vector<float> multiplied(const std::vector<float>& levels, size_t column) const {
    std::vector<float> products(parts_.weights, 0.0f);
    kernels().addRows(products.data(), levels.data(), hessianAt(column, column), columns_, parts_.weights, parts_.weights);
    return products;
  }

  const BlockParts& parts_;
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
  double gained_ = 0;
};

/// Columns of the matrix, from the length of the Hessian.
size_t columnsOf(const TwoSidedDescent& descent) {
  const BlockParts& parts = partsOf(descent.type);
  size_t columns = parts.weights;
  while (columns * columns < descent.hessian.values.size()) columns += parts.weights;
  requireLength("the Hessian", descent.hessian.values.size(), product(columns, columns));
  const size_t rows = rowsOf(descent.weights, columns);
  requireLength("the covariance", descent.covariance.values.size(), product(rows, rows));
  requireLength("blocks", descent.blocks.size(), rows * columns / parts.weights * parts.bytes);
  return columns;
}

}  // namespace

void descendBothSides(const TwoSidedDescent& descent, CancelFlag cancelled) {
  const size_t columns = columnsOf(descent);
  if (descent.weights.empty()) return;
  const size_t rows = descent.weights.size() / columns;
  for (size_t row = 0; row < rows; ++row) {
    const double weight = descent.covariance.values[row * (rows + 1)] + descent.covariance.damping;
    if (!(weight > 0)) return;  // nothing is known of the outputs
  }
  BothSides(descent, columns, cancelled).run();
}

}  // namespace qs
