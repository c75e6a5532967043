#include "gptq.h"

#include <vector>

#include "../kernels/kernels.h"
#include "gptq_slab.h"

namespace qs {

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

namespace {

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
