#include "lattice_steps.h"

#include <cmath>

namespace qs {
namespace {

/// Sweeps over the points of a group after each change of its scale.
constexpr size_t kSweeps = 1;

/// The scale code other than its own that is next to the best scale for the levels as they are.
int otherCode(const LatticeParts& parts, const BlockScales& scales, size_t group, const ScaleMoments& moments) {
  const int code = scales.scales[group];
  if (!moments.areFinite() || !(moments.lhl > 0) || scales.d == 0.0f) return code;
  const double wanted = ((parts.codes.scaleOf(scales, group) - moments.la / moments.lhl) / scales.d - 1) / 2;
  const int nearest = static_cast<int>(std::lround(std::clamp<double>(wanted, parts.codes.low, parts.codes.high)));
  return nearest != code ? nearest : std::clamp(code + (wanted < code ? -1 : 1), parts.codes.low, parts.codes.high);
}

}  // namespace

std::vector<OctetCurvature> octetCurvatures(const HessianTiles& hessian) {
  std::vector<OctetCurvature> curvatures;
  for (size_t column = 0; column < hessian.columns; column += kOctet) {
    curvatures.emplace_back(hessian.values.data() + column * hessian.columns + column * kLatticeTile);
  }
  return curvatures;
}

void LatticeSteps::tryChanges(size_t column) {
  const size_t group = slab_.groupAt(column);
  const auto codeOf = [&](size_t lane) { return slab_.scalesAt(column, lane).scales[group]; };
  tryChange(column, true, [&](size_t lane, const ScaleMoments&) { return LatticeChange{codeOf(lane), false}; });
  tryChange(column, false, [&](size_t lane, const ScaleMoments& moments) {
    return LatticeChange{otherCode(parts_, slab_.scalesAt(column, lane), group, moments), false};
  });
  if (parts_.shared <= kOctet) return;
  tryChange(column, false, [&](size_t lane, const ScaleMoments&) { return LatticeChange{codeOf(lane), true}; });
}

/// Changes scales and shifts of a group and sweeps over its points.
/// @param always also for rows in which nothing is changed.
template <typename Change>
void LatticeSteps::tryChange(size_t column, bool always, const Change& change) {
  const size_t group = slab_.groupAt(column);
  const LaneMoments moments = momentsOfGroup(column);
  trial_ = state_;
  int codes[kSlab];
  float scales[kSlab];
  tried_.clear();
  for (size_t lane = lanes_.first; lane < std::min(lanes_.end, slab_.rows()); ++lane) {
    const BlockScales& own = slab_.scalesAt(column, lane);
    const LatticeChange wanted = change(lane, moments[lane]);
    codes[lane] = wanted.scale;
    scales[lane] = own.d * codes_.valueOf(wanted.scale);
    if (always || wanted.turns || wanted.scale != own.scales[group]) tried_.push_back(lane);
    if (!wanted.turns) continue;
    for (size_t i = 0; i < octetsOfGroup(); ++i) trial_.codes[i * kSlab + lane].shift ^= 1;
  }
  if (tried_.empty()) return;
  for (size_t i = 0; i < octetsOfGroup() && !always; ++i) moveOctets(column, i, scales, false);
  for (size_t sweep = 0; sweep < kSweeps; ++sweep) {
    for (size_t i = 0; i < octetsOfGroup(); ++i) moveOctets(column, i, scales, true);
  }
  keepBetter([&](size_t lane) { slab_.scalesAt(column, lane).scales[group] = codes[lane]; });
}

/// Decodes octet `index` of a group with other scales, or gives it the points of least error; gradients of the group follow.
void LatticeSteps::moveOctets(size_t column, size_t index, const float* scales, bool searches) {
  const size_t at = index * kOctet * kSlab;
  const float* weights = slab_.weights(column) + at;
  std::fill_n(steps_.data(), kOctet * kSlab, 0.0f);
  for (const size_t lane : tried_) {
    Octet& octet = trial_.codes[index * kSlab + lane];
    if (searches) searchOctet(curvatures_[column / kOctet + index], at + lane, scales[lane], octet);
    for (size_t i = 0; i < kOctet; ++i) {
      float& error = trial_.errors[at + i * kSlab + lane];
      const float before = error;
      error = scales[lane] * search_.levelOf(octet, i) - weights[i * kSlab + lane];
      steps_[i * kSlab + lane] = error - before;
    }
  }
  kernels().addFeedback(trial_.gradients.data(), steps_.data(), panel_->tile(column + index * kOctet, column), kOctet, parts_.group);
}

/// The best points for the optimum of eight weights, all others being as they are.
void LatticeSteps::searchOctet(const OctetCurvature& curvature, size_t at, float scale, Octet& octet) {
  double values[kOctet];
  double gradients[kOctet];
  for (size_t i = 0; i < kOctet; ++i) {
    values[i] = static_cast<double>(scale * search_.levelOf(octet, i));
    gradients[i] = trial_.gradients[at + i * kSlab];
  }
  const OctetTarget target = curvature.optimum(values, gradients);
  const OctetTask task{curvature.metric(), target, scale};
  improveOctet(search_, parts_, task, search_.errorOf(task.metric, target, scale, octet), octet);
}

/// la and lhl of `levels_` over some columns. @param gradients `[count, kSlab]`.
LaneMoments LatticeSteps::momentsOfLevels(size_t column, size_t count, const float* gradients) {
  multiplyLevels(column, count);
  LaneMoments moments{};
  for (size_t i = 0; i < count * kSlab; ++i) {
    ScaleMoments& own = moments[i % kSlab];
    own.la += static_cast<double>(levels_[i]) * gradients[i];
    own.lhl += static_cast<double>(levels_[i]) * products_[i];
  }
  return moments;
}

/// Those of the scale of the group.
LaneMoments LatticeSteps::momentsOfGroup(size_t column) {
  for (size_t i = 0; i < parts_.group; ++i) {
    for (size_t lane = 0; lane < kSlab; ++lane) {
      levels_[i * kSlab + lane] = search_.levelOf(state_.codes[i / kOctet * kSlab + lane], i % kOctet);
    }
  }
  return momentsOfLevels(column, parts_.group, state_.gradients.data());
}

LaneMoments LatticeSteps::factorMoments(size_t column) {
  for (size_t i = 0; i < kSuperBlock; ++i) {
    for (size_t lane = 0; lane < kSlab; ++lane) {
      const float scale = codes_.valueOf(slab_.scalesAt(column, lane).scales[i / parts_.group]);
      levels_[i * kSlab + lane] = scale * search_.levelOf(slab_.codes(column + i)[lane], i % kOctet);
    }
  }
  return momentsOfLevels(column, kSuperBlock, panel_->at(column));
}

void LatticeSteps::decodeBlock(size_t column) {
  for (size_t i = column; i < column + kSuperBlock; ++i) {
    for (size_t lane = 0; lane < slab_.rows(); ++lane) {
      const float value = slab_.scaleAt(i, lane) * search_.levelOf(slab_.codes(i)[lane], i % kOctet);
      slab_.errors(i)[lane] = value - slab_.weights(i)[lane];
    }
  }
}

}  // namespace qs
