#include "lattice_descent.h"

#include <cmath>
#include <vector>

#include "gradient_panel.h"
#include "lattice_slab.h"
#include "octet_metric.h"
#include "scale_fit.h"

namespace qs {
namespace {

/// Sweeps over the points of a group after each change of its scale.
constexpr size_t kSweeps = 1;
/// A round that improves the error of a slab by less, relative to that error, ends the descent.
constexpr double kLeastGain = 1e-4;

/// The changeable part of a group of some rows.
struct GroupState {
  std::vector<float> gradients;
  std::vector<float> errors;
  std::vector<Octet> octets;  // [octets, kSlab]

  explicit GroupState(size_t weights) : gradients(weights * kSlab), errors(weights * kSlab), octets(weights / kOctet * kSlab) {}

  void copyLane(const GroupState& from, size_t lane) {
    for (size_t at = lane; at < errors.size(); at += kSlab) {
      gradients[at] = from.gradients[at];
      errors[at] = from.errors[at];
    }
    for (size_t at = lane; at < octets.size(); at += kSlab) octets[at] = from.octets[at];
  }
};

/// A scale of a group, and whether its shift is turned.
struct GroupChange {
  int scale;
  bool turns;
};

/// The scale code other than its own that is next to the best scale for the levels as they are.
int otherCode(const LatticeParts& parts, const BlockScales& scales, size_t group, const ScaleMoments& moments) {
  const int code = scales.scales[group];
  if (!moments.areFinite() || !(moments.lhl > 0) || scales.d == 0.0f) return code;
  const double wanted = ((parts.codes.scaleOf(scales, group) - moments.la / moments.lhl) / scales.d - 1) / 2;
  const int nearest = static_cast<int>(std::lround(std::clamp<double>(wanted, parts.codes.low, parts.codes.high)));
  return nearest != code ? nearest : std::clamp(code + (wanted < code ? -1 : 1), parts.codes.low, parts.codes.high);
}

/// The descent of kSlab rows.
class SlabDescent {
 public:
  SlabDescent(const LatticeDescent& descent, std::span<const OctetCurvature> curvatures, size_t firstRow, CancelFlag cancelled)
      : parts_(latticeOf(descent.type)),
        search_(OctetSearch::of(parts_)),
        curvatures_(curvatures),
        rounds_(descent.rounds),
        columns_(descent.hessian.columns),
        cancelled_(cancelled),
        blocks_(blocksOf(descent, firstRow)),
        slab_(parts_, columns_, weightsOf(descent, firstRow), blocks_),
        panel_(descent.hessian, kLatticeTile),
        state_(parts_.group),
        trial_(parts_.group),
        steps_(kSuperBlock * kSlab),
        levels_(kSuperBlock * kSlab),
        products_(kSuperBlock * kSlab) {}

  /// Puts what has improved into the blocks. Returns d·H·dᵀ of each row.
  Losses run() {
    double damped = 0;
    Losses losses = panel_.measure(slab_.errors(0), damped, cancelled_);
    for (size_t round = 0; round < rounds_; ++round) {
      gained_ = 0;
      for (size_t first = 0; first < columns_; first += kSuperBlock) improveBlock(first);
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
  static size_t rowsFrom(const LatticeDescent& descent, size_t firstRow) {
    return std::min(kSlab, descent.weights.size() / descent.hessian.columns - firstRow);
  }
  static std::span<const float> weightsOf(const LatticeDescent& descent, size_t firstRow) {
    const size_t columns = descent.hessian.columns;
    return descent.weights.subspan(firstRow * columns, rowsFrom(descent, firstRow) * columns);
  }
  static std::span<uint8_t> blocksOf(const LatticeDescent& descent, size_t firstRow) {
    const size_t bytes = descent.blocks.size() / (descent.weights.size() / descent.hessian.columns);
    return descent.blocks.subspan(firstRow * bytes, rowsFrom(descent, firstRow) * bytes);
  }

  static_assert(GradientPanel::kColumns == kSuperBlock);

  void improveBlock(size_t first) {
    panel_.find(first, slab_.errors(0), cancelled_);
    improveFactors(first);
    for (size_t i = 0; i < kSuperBlock; i += parts_.group) improveGroup(first + i);
  }

  // Groups.

  size_t octetsOfGroup() const { return parts_.group / kOctet; }

  void improveGroup(size_t column) {
    const size_t count = parts_.group * kSlab;
    float* errors = slab_.errors(column);
    std::copy_n(panel_.at(column), count, state_.gradients.data());
    std::copy_n(errors, count, state_.errors.data());
    overOctets(column, [&](Octet& octet, size_t at) { state_.octets[at] = octet; });
    const auto codeOf = [&](size_t lane) { return slab_.scalesAt(column, lane).scales[slab_.groupAt(column)]; };
    tryChange(column, true, [&](size_t lane, const ScaleMoments&) { return GroupChange{codeOf(lane), false}; });
    tryChange(column, false, [&](size_t lane, const ScaleMoments& moments) {
      return GroupChange{otherCode(parts_, slab_.scalesAt(column, lane), slab_.groupAt(column), moments), false};
    });
    if (parts_.shared > kOctet) {
      tryChange(column, false, [&](size_t lane, const ScaleMoments&) { return GroupChange{codeOf(lane), true}; });
    }
    for (size_t i = 0; i < count; ++i) steps_[i] = state_.errors[i] - errors[i];
    std::copy_n(state_.errors.data(), count, errors);
    overOctets(column, [&](Octet& octet, size_t at) { octet = state_.octets[at]; });
    for (size_t i = 0; i < octetsOfGroup(); ++i) panel_.add(column + i * kOctet, steps_.data() + i * kOctet * kSlab);
  }

  /// Calls use(octet, its place in a state) for the octets of a group.
  template <typename Use>
  void overOctets(size_t column, const Use& use) {
    for (size_t i = 0; i < octetsOfGroup(); ++i) {
      for (size_t lane = 0; lane < slab_.rows(); ++lane) use(slab_.octetAt(column + i * kOctet, lane), i * kSlab + lane);
    }
  }

  /// Changes scales and shifts of a group, sweeps over its points, and keeps what is better, row by row.
  /// @param always also for rows in which nothing is changed.
  template <typename Change>
  void tryChange(size_t column, bool always, const Change& change) {
    const size_t group = slab_.groupAt(column);
    const LaneMoments moments = momentsOf(column, state_.octets, state_.gradients.data());
    trial_ = state_;
    int codes[kSlab];
    float scales[kSlab];
    tried_.clear();
    for (size_t lane = 0; lane < slab_.rows(); ++lane) {
      const BlockScales& own = slab_.scalesAt(column, lane);
      const GroupChange wanted = change(lane, moments[lane]);
      codes[lane] = wanted.scale;
      scales[lane] = own.d * parts_.codes.valueOf(wanted.scale);
      if (always || wanted.turns || wanted.scale != own.scales[group]) tried_.push_back(lane);
      if (!wanted.turns) continue;
      for (size_t i = 0; i < octetsOfGroup(); ++i) trial_.octets[i * kSlab + lane].shift ^= 1;
    }
    if (tried_.empty()) return;
    for (size_t i = 0; i < octetsOfGroup() && !always; ++i) moveOctets(column, i, scales, false);
    for (size_t sweep = 0; sweep < kSweeps; ++sweep) {
      for (size_t i = 0; i < octetsOfGroup(); ++i) moveOctets(column, i, scales, true);
    }
    keepBetter(column, codes);
  }

  void keepBetter(size_t column, const int* codes) {
    for (const size_t lane : tried_) {
      double change = 0;
      for (size_t at = lane; at < trial_.errors.size(); at += kSlab) {
        const float step = trial_.errors[at] - state_.errors[at];
        change += step * (static_cast<double>(trial_.gradients[at]) + state_.gradients[at]);
      }
      if (!(change < 0)) continue;
      gained_ -= change;
      state_.copyLane(trial_, lane);
      slab_.scalesAt(column, lane).scales[slab_.groupAt(column)] = codes[lane];
    }
  }

  /// Decodes octet `index` of a group with other scales, or gives it the points of least error; gradients of the group follow.
  void moveOctets(size_t column, size_t index, const float* scales, bool searches) {
    const size_t at = index * kOctet * kSlab;
    const float* weights = slab_.weights(column) + at;
    std::fill_n(steps_.data(), kOctet * kSlab, 0.0f);
    for (const size_t lane : tried_) {
      Octet& octet = trial_.octets[index * kSlab + lane];
      if (searches) searchOctet(curvatures_[column / kOctet + index], at + lane, scales[lane], octet);
      for (size_t i = 0; i < kOctet; ++i) {
        float& error = trial_.errors[at + i * kSlab + lane];
        const float before = error;
        error = scales[lane] * search_.levelOf(octet, i) - weights[i * kSlab + lane];
        steps_[i * kSlab + lane] = error - before;
      }
    }
    kernels().addFeedback(trial_.gradients.data(), steps_.data(), panel_.tile(column + index * kOctet, column), kOctet, parts_.group);
  }

  /// The best points for the optimum of eight weights, all others being as they are.
  void searchOctet(const OctetCurvature& curvature, size_t at, float scale, Octet& octet) {
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

  // Moments of scales.

  using LaneMoments = std::array<ScaleMoments, kSlab>;

  /// la and lhl of `levels_` over some columns. @param gradients `[count, kSlab]`.
  LaneMoments momentsOfLevels(size_t column, size_t count, const float* gradients) {
    std::fill_n(products_.data(), count * kSlab, 0.0f);
    for (size_t i = 0; i < count; i += kOctet) {
      kernels().addFeedback(products_.data(), levels_.data() + i * kSlab, panel_.tile(column + i, column), kOctet, count);
    }
    LaneMoments moments{};
    for (size_t i = 0; i < count * kSlab; ++i) {
      ScaleMoments& own = moments[i % kSlab];
      own.la += static_cast<double>(levels_[i]) * gradients[i];
      own.lhl += static_cast<double>(levels_[i]) * products_[i];
    }
    return moments;
  }

  /// Those of the scale of a group.
  LaneMoments momentsOf(size_t column, const std::vector<Octet>& octets, const float* gradients) {
    for (size_t i = 0; i < parts_.group; ++i) {
      for (size_t lane = 0; lane < kSlab; ++lane) {
        levels_[i * kSlab + lane] = search_.levelOf(octets[i / kOctet * kSlab + lane], i % kOctet);
      }
    }
    return momentsOfLevels(column, parts_.group, gradients);
  }

  /// Replaces the factor of a block by the best one, where that reduces the error.
  void improveFactors(size_t column) {
    for (size_t i = 0; i < kSuperBlock; ++i) {
      for (size_t lane = 0; lane < kSlab; ++lane) {
        const float scale = parts_.codes.valueOf(slab_.scalesAt(column, lane).scales[i / parts_.group]);
        levels_[i * kSlab + lane] = scale * search_.levelOf(slab_.octetAt(column + i, lane), i % kOctet);
      }
    }
    const LaneMoments moments = momentsOfLevels(column, kSuperBlock, panel_.at(column));
    std::fill(steps_.begin(), steps_.end(), 0.0f);
    for (size_t lane = 0; lane < slab_.rows(); ++lane) {
      BlockScales& scales = slab_.scalesAt(column, lane);
      const BlockScales found = fitFactors(parts_.codes, scales, moments[lane]);
      const double change = moments[lane].change(found.d - scales.d, 0);
      if (!(change < 0)) continue;
      gained_ -= change;
      scales = found;
      for (size_t i = 0; i < kSuperBlock; ++i) decode(column + i, lane, steps_[i * kSlab + lane]);
    }
    for (size_t i = 0; i < kSuperBlock; i += kOctet) panel_.add(column + i, steps_.data() + i * kSlab);
  }

  /// Sets the error of a weight to that of its scale and point; `step` gets what it has changed by.
  void decode(size_t column, size_t lane, float& step) {
    float& error = slab_.errors(column)[lane];
    const float before = error;
    error = slab_.scaleAt(column, lane) * search_.levelOf(slab_.octetAt(column, lane), column % kOctet) - slab_.weights(column)[lane];
    step = error - before;
  }

  const LatticeParts& parts_;
  const OctetSearch& search_;
  std::span<const OctetCurvature> curvatures_;
  size_t rounds_;
  size_t columns_;
  CancelFlag cancelled_;
  std::span<uint8_t> blocks_;
  LatticeSlab slab_;
  GradientPanel panel_;
  GroupState state_;  // of the group
  GroupState trial_;
  std::vector<size_t> tried_;    // rows that are changed
  std::vector<float> steps_;     // of errors
  std::vector<float> levels_;    // of the weights of a block
  std::vector<float> products_;  // of these with the Hessian
  double gained_ = 0;
};

void check(const LatticeDescent& descent, const LatticeParts& parts, std::span<const double> losses) {
  const size_t columns = descent.hessian.columns;
  const size_t rows = rowsOf(descent.weights, columns);
  if (columns % kSuperBlock != 0) fail("rows are not whole blocks");
  requireLength("the tiles", descent.hessian.values.size(), product(columns, columns));
  requireLength("blocks", descent.blocks.size(), rows * columns / kSuperBlock * parts.bytes);
  requireLength("losses", losses.size(), rows);
}

}  // namespace

void descendLattices(const LatticeDescent& descent, std::span<double> losses, CancelFlag cancelled) {
  check(descent, latticeOf(descent.type), losses);
  std::vector<OctetCurvature> curvatures;
  for (size_t column = 0; column < descent.hessian.columns; column += kOctet) {
    curvatures.emplace_back(descent.hessian.values.data() + column * descent.hessian.columns + column * kLatticeTile);
  }
  overRows((losses.size() + kSlab - 1) / kSlab, 1, cancelled, [&](size_t slab, size_t) {
    const Losses found = SlabDescent(descent, curvatures, slab * kSlab, cancelled).run();
    const size_t rows = std::min(kSlab, losses.size() - slab * kSlab);
    std::copy_n(found.begin(), rows, losses.begin() + static_cast<std::ptrdiff_t>(slab * kSlab));
  });
}

}  // namespace qs
