#include "block_steps.h"

namespace qs {
namespace {

/// Sweeps over the codes of a group after each change of its scales.
constexpr size_t kSweeps = 2;

}  // namespace

void BlockSteps::tryChanges(size_t column) {
  const size_t group = slab_.groupAt(column);
  tryScales(column, [](const BlockScales& scales, const ScaleMoments&) { return scales; });
  tryScales(column, [&](const BlockScales& scales, const ScaleMoments& moments) { return fitGroup(codes_, scales, group, moments); });
  for (const int by : {-1, 1}) {
    tryScales(column, [&](const BlockScales& scales, const ScaleMoments& moments) {
      return moveGroup(codes_, scales, group, by, moments);
    });
  }
}

GroupRun BlockSteps::runOf(size_t column, GroupState<uint8_t>& state) {
  return {panel_->tile(column, column), slab_.shape().group, lanes_,           slab_.weights(column),
          state.gradients.data(),       state.errors.data(), state.codes.data()};
}

/// Changes the scales of a group and sweeps over its codes.
template <typename Change>
void BlockSteps::tryScales(size_t column, const Change& change) {
  std::array<BlockScales, kSlab> scales;
  LaneScales lanes;
  const LaneMoments moments = momentsOf(column);
  for (size_t lane = lanes_.first; lane < lanes_.end; ++lane) {
    scales[lane] = change(slab_.scalesAt(column, lane), moments[lane]);
    lanes.set(lane, codes_, grid_, scales[lane], slab_.groupAt(column));
  }
  trial_ = state_;
  const GroupRun run = runOf(column, trial_);
  kernels().rescaleGroup(grid_, run, lanes.view());
  for (size_t sweep = 0; sweep < kSweeps; ++sweep) kernels().sweepGroup(grid_, run, lanes.view());
  keepBetter([&](size_t lane) { slab_.scalesAt(column, lane) = scales[lane]; });
}

LaneMoments BlockSteps::momentsOf(size_t column) {
  for (size_t at = 0; at < state_.codes.size(); at += kSlab) {
    for (size_t i = at + lanes_.first; i < at + lanes_.end; ++i) levels_[i] = slab_.level(state_.codes[i]);
  }
  float la[kSlab];
  float sa[kSlab];
  float lhl[kSlab];
  float lhs[kSlab];
  kernels().groupMoments(runOf(column, state_), levels_.data(), {la, sa, lhl, lhs});
  double shs = 0;
  const float* own = panel_->tile(column, column);
  for (size_t i = 0; i < slab_.shape().group * slab_.shape().group; ++i) shs += own[i];
  LaneMoments moments;
  for (size_t lane = lanes_.first; lane < lanes_.end; ++lane) moments[lane] = {la[lane], sa[lane], lhl[lane], lhs[lane], shs};
  return moments;
}

void BlockSteps::decodeBlock(size_t column) {
  const auto [weights, group] = slab_.shape();
  for (size_t at = column; at < column + weights; at += group) {
    const GroupRun run{panel_->tile(at, at), group, {0, kSlab}, slab_.weights(at), state_.gradients.data(), slab_.errors(at), slab_.codes(at)};
    kernels().rescaleGroup(grid_, run, slab_.laneScales(at).view());
  }
}

LaneMoments BlockSteps::factorMoments(size_t column) {
  LaneMoments moments{};
  const auto [weights, group] = slab_.shape();
  const float* gradients = panel_->at(column);
  const uint8_t* codes = slab_.codes(column);
  const auto overWeights = [weights = weights](const auto& use) {
    for (size_t i = 0; i < weights; ++i) {
      for (size_t lane = 0; lane < kSlab; ++lane) use(i, lane, i * kSlab + lane);
    }
  };
  const auto minimum = [&, group = group](size_t i, size_t lane) {
    return static_cast<float>(slab_.scalesAt(column, lane).minimums[i / group]);
  };
  overWeights([&, group = group](size_t i, size_t lane, size_t at) {
    levels_[at] = codes_.valueOf(slab_.scalesAt(column, lane).scales[i / group]) * slab_.level(codes[at]);
    moments[lane].la += static_cast<double>(levels_[at]) * gradients[at];
  });
  multiplyLevels(column, weights);
  overWeights([&](size_t i, size_t lane, size_t at) {
    moments[lane].lhl += static_cast<double>(levels_[at]) * products_[at];
    if (codes_.hasZeros) moments[lane].lhs += static_cast<double>(minimum(i, lane)) * products_[at];
  });
  if (!codes_.hasZeros) return moments;
  overWeights([&](size_t i, size_t lane, size_t at) {
    levels_[at] = minimum(i, lane);
    moments[lane].sa += static_cast<double>(levels_[at]) * gradients[at];
  });
  multiplyLevels(column, weights);
  overWeights([&](size_t, size_t lane, size_t at) {
    moments[lane].shs += static_cast<double>(levels_[at]) * products_[at];
  });
  return moments;
}

}  // namespace qs
