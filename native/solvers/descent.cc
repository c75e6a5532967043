#include "descent.h"

#include <algorithm>
#include <array>
#include <vector>

#include "../kernels/kernels.h"
#include "block_codes.h"
#include "block_slab.h"
#include "gradient_panel.h"
#include "scale_fit.h"

namespace qs {
namespace {

/// Sweeps over the codes of a group after each change of its scales.
constexpr size_t kSweeps = 2;
/// A round that improves the error of a slab by less, relative to that error, ends the descent.
constexpr double kLeastGain = 1e-4;

using LaneMoments = std::array<ScaleMoments, kSlab>;

/// The changeable part of a group.
struct GroupState {
  std::vector<float> gradients;
  std::vector<float> errors;
  std::vector<uint8_t> codes;

  explicit GroupState(size_t weights) : gradients(weights), errors(weights), codes(weights) {}

  void copyLane(const GroupState& from, size_t lane) {
    for (size_t at = lane; at < codes.size(); at += kSlab) {
      gradients[at] = from.gradients[at];
      errors[at] = from.errors[at];
      codes[at] = from.codes[at];
    }
  }
};

/// The descent of kSlab rows.
class SlabDescent {
 public:
  SlabDescent(const Descent& descent, size_t firstRow, CancelFlag cancelled)
      : parts_(partsOf(descent.type)),
        grid_(descent.grid),
        rounds_(descent.rounds),
        columns_(descent.hessian.columns),
        group_(parts_.group),
        cancelled_(cancelled),
        blocks_(blocksOf(descent, firstRow)),
        slab_(parts_, grid_, columns_, weightsOf(descent, firstRow), blocks_),
        panel_(descent.hessian, group_),
        state_(group_ * kSlab),
        trial_(group_ * kSlab),
        steps_(group_ * kSlab),
        levels_(parts_.weights * kSlab),
        products_(parts_.weights * kSlab) {}

  /// Puts what has improved into the blocks. Returns d·H·dᵀ of each row.
  Losses run() {
    double damped = 0;
    Losses losses = panel_.measure(slab_.errors(0), damped, cancelled_);
    for (size_t round = 0; round < rounds_; ++round) {
      gained_ = 0;
      for (size_t first = 0; first < columns_; first += GradientPanel::kColumns) improvePanel(first);
      if (gained_ <= kLeastGain * damped) break;
      damped -= gained_;
    }
    const Losses found = panel_.measure(slab_.errors(0), damped, cancelled_);
    const size_t bytes = blocks_.size() / slab_.rows();
    for (size_t lane = 0; lane < slab_.rows(); ++lane) {
      if (!(found[lane] < losses[lane])) continue;
      losses[lane] = found[lane];
      slab_.write(lane, blocks_.subspan(lane * bytes, bytes));
    }
    return losses;
  }

 private:
  static size_t rowsFrom(const Descent& descent, size_t firstRow) {
    return std::min(kSlab, descent.weights.size() / descent.hessian.columns - firstRow);
  }
  static std::span<const float> weightsOf(const Descent& descent, size_t firstRow) {
    const size_t columns = descent.hessian.columns;
    return descent.weights.subspan(firstRow * columns, rowsFrom(descent, firstRow) * columns);
  }
  static std::span<uint8_t> blocksOf(const Descent& descent, size_t firstRow) {
    const size_t bytes = descent.blocks.size() / (descent.weights.size() / descent.hessian.columns);
    return descent.blocks.subspan(firstRow * bytes, rowsFrom(descent, firstRow) * bytes);
  }

  void improvePanel(size_t first) {
    panel_.find(first, slab_.errors(0), cancelled_);
    for (size_t column = first; column < panel_.end(); column += parts_.weights) {
      if (parts_.groups() > 1 && parts_.codes.hasFactor) improveFactors(column);
      for (size_t i = 0; i < parts_.weights; i += group_) improveGroup(column + i);
    }
  }

  // Groups.

  void improveGroup(size_t column) {
    const size_t count = group_ * kSlab;
    float* errors = slab_.errors(column);
    uint8_t* codes = slab_.codes(column);
    std::copy_n(panel_.at(column), count, state_.gradients.data());
    std::copy_n(errors, count, state_.errors.data());
    std::copy_n(codes, count, state_.codes.data());
    const auto fitted = [&](const BlockScales& scales, const ScaleMoments& moments) {
      return fitGroup(parts_.codes, scales, slab_.groupAt(column), moments);
    };
    tryScales(column, [](const BlockScales& scales, const ScaleMoments&) { return scales; });
    tryScales(column, fitted);
    for (const int by : {-1, 1}) {
      tryScales(column, [&](const BlockScales& scales, const ScaleMoments& moments) {
        return moveGroup(parts_.codes, scales, slab_.groupAt(column), by, moments);
      });
    }
    for (size_t i = 0; i < count; ++i) steps_[i] = state_.errors[i] - errors[i];
    std::copy_n(state_.errors.data(), count, errors);
    std::copy_n(state_.codes.data(), count, codes);
    panel_.add(column, steps_.data());
  }

  GroupRun runOf(size_t column, GroupState& state) {
    return {panel_.tile(column, column), group_,         slab_.weights(column), state.gradients.data(),
            state.errors.data(),  state.codes.data()};
  }

  /// Changes the scales of a group, sweeps over its codes, and keeps what is better, row by row.
  template <typename Change>
  void tryScales(size_t column, const Change& change) {
    std::array<BlockScales, kSlab> scales;
    LaneScales lanes;
    const LaneMoments moments = momentsOf(column);
    for (size_t lane = 0; lane < kSlab; ++lane) {
      scales[lane] = change(slab_.scalesAt(column, lane), moments[lane]);
      lanes.set(lane, parts_.codes, grid_, scales[lane], slab_.groupAt(column));
    }
    trial_ = state_;
    const GroupRun run = runOf(column, trial_);
    kernels().rescaleGroup(grid_, run, lanes.view());
    for (size_t sweep = 0; sweep < kSweeps; ++sweep) kernels().sweepGroup(grid_, run, lanes.view());
    std::array<double, kSlab> changes{};
    for (size_t i = 0; i < group_ * kSlab; ++i) {
      const double step = trial_.errors[i] - state_.errors[i];
      changes[i % kSlab] += step * (static_cast<double>(trial_.gradients[i]) + state_.gradients[i]);
    }
    for (size_t lane = 0; lane < slab_.rows(); ++lane) {
      if (!(changes[lane] < 0)) continue;
      gained_ -= changes[lane];
      state_.copyLane(trial_, lane);
      slab_.scalesAt(column, lane) = scales[lane];
    }
  }

  LaneMoments momentsOf(size_t column) {
    for (size_t i = 0; i < state_.codes.size(); ++i) levels_[i] = slab_.level(state_.codes[i]);
    float la[kSlab];
    float sa[kSlab];
    float lhl[kSlab];
    float lhs[kSlab];
    kernels().groupMoments(runOf(column, state_), levels_.data(), {la, sa, lhl, lhs});
    double shs = 0;
    const float* own = panel_.tile(column, column);
    for (size_t i = 0; i < group_ * group_; ++i) shs += own[i];
    LaneMoments moments;
    for (size_t lane = 0; lane < kSlab; ++lane) moments[lane] = {la[lane], sa[lane], lhl[lane], lhs[lane], shs};
    return moments;
  }

  // Factors of blocks.

  void improveFactors(size_t column) {
    const LaneMoments moments = factorMoments(column);
    bool changed = false;
    for (size_t lane = 0; lane < slab_.rows(); ++lane) {
      BlockScales& scales = slab_.scalesAt(column, lane);
      const BlockScales found = fitFactors(parts_.codes, scales, moments[lane]);
      const double change = moments[lane].change(found.d - scales.d, found.m - scales.m);
      if (!(change < 0)) continue;
      gained_ -= change;
      scales = found;
      changed = true;
    }
    if (!changed) return;
    for (size_t at = column; at < column + parts_.weights; at += group_) {
      float* errors = slab_.errors(at);
      std::copy_n(errors, steps_.size(), steps_.data());
      const GroupRun run{panel_.tile(at, at), group_, slab_.weights(at), state_.gradients.data(), errors, slab_.codes(at)};
      kernels().rescaleGroup(grid_, run, slab_.laneScales(at).view());
      for (size_t i = 0; i < steps_.size(); ++i) steps_[i] = errors[i] - steps_[i];
      panel_.add(at, steps_.data());
    }
  }

  /// `products_` of a block.
  void multiplyLevels(size_t column) {
    std::fill(products_.begin(), products_.end(), 0.0f);
    for (size_t i = 0; i < parts_.weights; i += group_) {
      kernels().addFeedback(products_.data(), levels_.data() + i * kSlab, panel_.tile(column + i, column), group_, parts_.weights);
    }
  }

  /// Moments of d, whose levels are scales · levels, and of m, whose levels are minimums.
  LaneMoments factorMoments(size_t column) {
    LaneMoments moments{};
    const float* gradients = panel_.at(column);
    const uint8_t* codes = slab_.codes(column);
    const auto overWeights = [&](const auto& use) {
      for (size_t i = 0; i < parts_.weights; ++i) {
        for (size_t lane = 0; lane < kSlab; ++lane) use(i, lane, i * kSlab + lane);
      }
    };
    const auto minimum = [&](size_t i, size_t lane) {
      return static_cast<float>(slab_.scalesAt(column, lane).minimums[i / group_]);
    };
    overWeights([&](size_t i, size_t lane, size_t at) {
      const float scale = parts_.codes.valueOf(slab_.scalesAt(column, lane).scales[i / group_]);
      levels_[at] = scale * slab_.level(codes[at]);
      moments[lane].la += static_cast<double>(levels_[at]) * gradients[at];
    });
    multiplyLevels(column);
    overWeights([&](size_t i, size_t lane, size_t at) {
      moments[lane].lhl += static_cast<double>(levels_[at]) * products_[at];
      if (parts_.codes.hasZeros) moments[lane].lhs += static_cast<double>(minimum(i, lane)) * products_[at];
    });
    if (!parts_.codes.hasZeros) return moments;
    overWeights([&](size_t i, size_t lane, size_t at) {
      levels_[at] = minimum(i, lane);
      moments[lane].sa += static_cast<double>(levels_[at]) * gradients[at];
    });
    multiplyLevels(column);
    overWeights([&](size_t, size_t lane, size_t at) {
      moments[lane].shs += static_cast<double>(levels_[at]) * products_[at];
    });
    return moments;
  }

  const BlockParts& parts_;
  const WeightGrid& grid_;
  size_t rounds_;
  size_t columns_;
  size_t group_;
  CancelFlag cancelled_;
  std::span<uint8_t> blocks_;
  BlockSlab slab_;
  GradientPanel panel_;
  GroupState state_;              // of the group
  GroupState trial_;
  std::vector<float> steps_;     // of the errors of a group
  std::vector<float> levels_;    // of the weights of a block
  std::vector<float> products_;  // of these with the Hessian
  double gained_ = 0;
};

void check(const Descent& descent, const BlockParts& parts, std::span<const double> losses) {
  const size_t columns = descent.hessian.columns;
  const size_t rows = rowsOf(descent.weights, columns);
  if (columns % parts.weights != 0) fail("rows are not whole blocks");
  requireLength("the tiles", descent.hessian.values.size(), product(columns, columns));
  requireLength("blocks", descent.blocks.size(), rows * columns / parts.weights * parts.bytes);
  requireLength("losses", losses.size(), rows);
}

}  // namespace

void tileHessian(std::span<const double> hessian, double damping, size_t group, size_t columns, std::span<float> tiles,
                 CancelFlag cancelled) {
  if (group == 0 || group % 4 != 0 || columns % group != 0) fail("columns are not whole groups");
  requireLength("the Hessian", hessian.size(), product(columns, columns));
  requireLength("the tiles", tiles.size(), product(columns, columns));
  overRows(columns / group, 1, cancelled, [&](size_t index, size_t) {
    float* to = tiles.data() + index * group * columns;
    for (size_t column = 0; column < columns; ++column) {
      for (size_t i = 0; i < group; ++i) {
        const size_t row = index * group + i;
        double value = hessian[row * columns + column];
        if (row == column) value = (value == 0.0 ? 1.0 : value) + damping;
        to[(column / 4 * group + i) * 4 + column % 4] = static_cast<float>(value);
      }
    }
  });
}

void descend(const Descent& descent, std::span<double> losses, CancelFlag cancelled) {
  check(descent, partsOf(descent.type), losses);
  overRows((losses.size() + kSlab - 1) / kSlab, 1, cancelled, [&](size_t slab, size_t) {
    const Losses found = SlabDescent(descent, slab * kSlab, cancelled).run();
    const size_t rows = std::min(kSlab, losses.size() - slab * kSlab);
    std::copy_n(found.begin(), rows, losses.begin() + static_cast<std::ptrdiff_t>(slab * kSlab));
  });
}

}  // namespace qs
