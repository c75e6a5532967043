#include "gptq.h"

#include <vector>

#include "../kernels/kernels.h"

namespace qs {
namespace {

void checkState(const ColumnState& state) {
  state.blocks.require();
  const size_t slabs = (state.rows() + kSlab - 1) / kSlab;
  requireLength("the factor", state.factor.size(), state.blocks.size());
  requireLength("pivots", state.pivots.size(), state.blocks.columns);
  if (!state.order.empty()) requireLength("the order", state.order.size(), state.blocks.columns);
  requireLength("errors", state.errors.size(), slabs * state.blocks.columns * kSlab);
  requireLength("sums", state.sums.size(), slabs * Blocks::padded(state.blocks.length) * kSlab);
  requireLength("losses", state.losses.size(), state.rows());
  for (const int32_t column : state.order) {
    if (column < 0 || static_cast<size_t>(column) >= state.blocks.columns) fail("the order names a column that there is not");
  }
}

/// Some positions of a block for the rows of a slab.
class SlabRun {
 public:
  SlabRun(const ColumnState& state, size_t slab, size_t first, size_t count)
      : state_(state), row_(slab * kSlab), slab_(slab), first_(first), count_(count), weights_(gather(state.weights)) {}

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

/// Parameters of each weight of a run as lanes.
struct LaneParameters {
  std::vector<float> scales;
  std::vector<float> inverses;
  std::vector<float> zeros;

  LaneParameters(const WeightGrid& grid, const ColumnParameters& parameters, const SlabRun& run, size_t count, size_t columns)
      : scales(count * kSlab, 0.0f), inverses(count * kSlab, 0.0f), zeros(count * kSlab, 0.0f) {
    for (size_t i = 0; i < count; ++i) {
      for (size_t lane = 0; lane < run.rows(); ++lane) {
        const size_t row = run.row(lane);
        const size_t column = run.column(i);
        const size_t group = parameters.flat != 0
                                 ? (row * columns + column) / parameters.flat
                                 : row / parameters.groupRows * parameters.across + static_cast<size_t>(parameters.groups[column]);
        const float scale = effectiveScale(grid, parameters.scales[group], parameters.globalScale);
        scales[i * kSlab + lane] = scale;
        inverses[i * kSlab + lane] = inverseOf(grid, scale);
        if (!parameters.zeros.empty()) zeros[i * kSlab + lane] = parameters.zeros[group];
      }
    }
  }
};

/// Groups of all weights are among the parameters.
void checkParameters(const ColumnState& state, const WeightGrid& grid, const ColumnParameters& parameters) {
  const size_t columns = state.blocks.columns;
  if (parameters.flat != 0) {
    requireLength("scales", parameters.scales.size(), (state.rows() * columns + parameters.flat - 1) / parameters.flat);
  } else {
    if (parameters.groupRows == 0) fail("a group has no weights");
    requireLength("groups", parameters.groups.size(), columns);
    const size_t down = (state.rows() + parameters.groupRows - 1) / parameters.groupRows;
    requireLength("scales", parameters.scales.size(), product(down, parameters.across));
    for (const int32_t group : parameters.groups) {
      if (group < 0 || static_cast<size_t>(group) >= parameters.across) fail("a column has a group that there is not");
    }
  }
  requireLength("zeros", parameters.zeros.size(), grid.zero == ZeroKind::None ? 0 : parameters.scales.size());
}

}  // namespace

void startBlock(const ColumnState& state, size_t block, CancelFlag cancelled) {
  checkState(state);
  if (block >= state.blocks.count()) fail("there is no such block of columns");
  const size_t before = state.blocks.first(block);
  const size_t width = state.blocks.width(block);
  const float* tiles = state.factor.data() + state.blocks.offset(block);
  const size_t slabs = (state.rows() + kSlab - 1) / kSlab;
  overRows(slabs, 1, cancelled, [&](size_t slab, size_t) {
    float* sums = state.sums.data() + slab * Blocks::padded(state.blocks.length) * kSlab;
    std::fill(sums, sums + width * kSlab, 0.0f);
    kernels().addFeedback(sums, state.errors.data() + slab * state.blocks.columns * kSlab, tiles, before, width);
  });
}

void predictColumns(const ColumnState& state, size_t first, size_t count, std::span<float> targets, CancelFlag cancelled) {
  requireLength("targets", targets.size(), product(state.rows(), count));
  overSlabs(state, first, count, cancelled, [&](const SlabRun& slab) {
    const size_t width = Blocks::padded(state.blocks.length);
    std::vector<float> sums(slab.sums(), slab.sums() + width * kSlab);
    std::vector<float> found(count * kSlab);
    kernels().predictColumns(slab.run(sums.data()), found.data());
    for (size_t lane = 0; lane < slab.rows(); ++lane) {
      for (size_t i = 0; i < count; ++i) targets[slab.row(lane) * count + i] = found[i * kSlab + lane];
    }
  });
}

void quantizeColumns(const ColumnState& state, const WeightGrid& grid, const ColumnParameters& parameters, size_t first,
                     size_t count, std::span<uint8_t> codes, CancelFlag cancelled) {
  const size_t columns = state.blocks.columns;
  requireLength("codes", codes.size(), state.weights.size());
  checkParameters(state, grid, parameters);
  overSlabs(state, first, count, cancelled, [&](const SlabRun& slab) {
    const LaneParameters lanes(grid, parameters, slab, count, columns);
    std::vector<float> residuals(count * kSlab);
    std::vector<uint8_t> found(count * kSlab);
    kernels().quantizeColumns(grid, slab.run(slab.sums()), {lanes.scales.data(), lanes.inverses.data(), lanes.zeros.data()},
                              {slab.errors(), residuals.data(), found.data()});
    slab.addLosses(residuals);
    for (size_t lane = 0; lane < slab.rows(); ++lane) {
      for (size_t i = 0; i < count; ++i) codes[slab.row(lane) * columns + slab.column(i)] = found[i * kSlab + lane];
    }
  });
}

void followColumns(const ColumnState& state, std::span<const float> decoded, size_t first, size_t count, CancelFlag cancelled) {
  requireLength("decoded", decoded.size(), state.weights.size());
  overSlabs(state, first, count, cancelled, [&](const SlabRun& slab) {
    std::vector<float> residuals(count * kSlab);
    const std::vector<float> values = slab.gather(decoded);
    kernels().followColumns(slab.run(slab.sums()), values.data(), {slab.errors(), residuals.data(), nullptr});
    slab.addLosses(residuals);
  });
}

}  // namespace qs
