#pragma once
// The rows of a matrix that is quantized column by column, some positions of them at a time, as lanes.
#include <algorithm>
#include <vector>

#include "gptq.h"

namespace qs {

/// Fails where lengths do not fit together, or the order names a column that there is not.
void checkState(const ColumnState& state);

/// Some positions of a block for the rows of a slab.
class SlabRun {
 public:
  SlabRun(const ColumnState& state, size_t slab, size_t first, size_t count)
      : state_(state), row_(slab * kSlab), slab_(slab), first_(first), count_(count), weights_(gather(state.weights)) {}

  /// Other positions of the same rows.
  SlabRun at(size_t first, size_t count) const { return {state_, slab_, first, count}; }
  size_t rows() const { return std::min(kSlab, state_.rows() - row_); }
  size_t row(size_t lane) const { return row_ + lane; }
  size_t column(size_t i) const {
    return state_.order.empty() ? first_ + i : static_cast<size_t>(state_.order[first_ + i]);
  }
  float* sums() const { return state_.sums.data() + slab_ * Blocks::padded(state_.blocks.length) * kSlab; }
  float* errors() const { return state_.errors.data() + (slab_ * state_.blocks.columns + first_) * kSlab; }

  ColumnRun run(float* sums) const {
    const size_t block = first_ / state_.blocks.length;
    const size_t start = state_.blocks.first(block);
    const size_t width = state_.blocks.width(block);
    const float* within = state_.factor.data() + state_.blocks.offset(block) + start * width;
    return {within, width, first_ - start, count_, weights_.data(), sums};
  }

  /// A matrix `[rows, columns]` at these positions as lanes; rows after the last are zeros.
  std::vector<float> gather(std::span<const float> matrix) const {
    std::vector<float> lanes(count_ * kSlab, 0.0f);
    for (size_t lane = 0; lane < rows(); ++lane) {
      const float* from = matrix.data() + row(lane) * state_.blocks.columns;
      for (size_t i = 0; i < count_; ++i) lanes[i * kSlab + lane] = from[column(i)];
    }
    return lanes;
  }

  /// Adds what the columns contribute: (target − decoded)² R[k, k]², less what is due to the damping.
  void addLosses(const std::vector<float>& residuals) const {
    for (size_t i = 0; i < count_; ++i) {
      const double pivot = state_.pivots[first_ + i];
      for (size_t lane = 0; lane < rows(); ++lane) {
        const double loss = residuals[i * kSlab + lane] * pivot;
        const double error = errors()[i * kSlab + lane];
        state_.losses[row(lane)] += loss * loss - state_.damping * error * error;
      }
    }
  }

 private:
  const ColumnState& state_;
  size_t row_;
  size_t slab_;
  size_t first_;
  size_t count_;
  std::vector<float> weights_;
};

/// Checks that positions lie in one block, and runs work(slab run) for all rows.
template <typename Work>
void overSlabs(const ColumnState& state, size_t first, size_t count, CancelFlag cancelled, const Work& work) {
  checkState(state);
  if (count == 0 || first + count > state.blocks.columns ||
      first / state.blocks.length != (first + count - 1) / state.blocks.length) {
    fail("columns are not of one block");
  }
  overRows((state.rows() + kSlab - 1) / kSlab, 1, cancelled,
           [&](size_t slab, size_t) { work(SlabRun(state, slab, first, count)); });
}

}  // namespace qs
