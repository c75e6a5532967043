#pragma once
// Steps of coordinate descent on the codes and scales of rows side by side, each row being changed as if the others stayed as they are.
#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "../kernels/kernels.h"
#include "code_slab.h"
#include "gradient_panel.h"
#include "scale_fit.h"

namespace qs {

/// The rows of a slab and their blocks, which are improved.
class SlabSteps {
 public:
  virtual ~SlabSteps() = default;
  virtual size_t rows() const = 0;
  /// Decoded − weight, `[columns, kSlab]`.
  virtual float* errors() = 0;
  /// One round over the columns of a panel. Returns by how much the error of all rows decreases.
  virtual double improve(GradientPanel& panel) = 0;
  /// Puts what was found for a row into its blocks.
  virtual void write(size_t lane, std::span<uint8_t> blocks) const = 0;
};

using LaneMoments = std::array<ScaleMoments, kSlab>;

/// The changeable part of a group.
template <typename Code>
struct GroupState {
  std::vector<float> gradients;  // [weights, kSlab]
  std::vector<float> errors;
  std::vector<Code> codes;  // [codes, kSlab]

  GroupState(size_t weights, size_t count) : gradients(weights * kSlab), errors(weights * kSlab), codes(count * kSlab) {}

  void copyLane(const GroupState& from, size_t lane) {
    for (size_t at = lane; at < errors.size(); at += kSlab) {
      gradients[at] = from.gradients[at];
      errors[at] = from.errors[at];
    }
    for (size_t at = lane; at < codes.size(); at += kSlab) codes[at] = from.codes[at];
  }
};

/// What the kinds of slabs have in common: factors of blocks by least squares, and groups one after the other, each by changes that are kept in
/// the rows where they reduce the error.
template <typename Slab>
class GroupSteps : public SlabSteps {
 public:
  size_t rows() const final { return slab_.rows(); }
  float* errors() final { return slab_.errors(0); }
  void write(size_t lane, std::span<uint8_t> blocks) const final { slab_.write(lane, blocks); }

  double improve(GradientPanel& panel) final {
    panel_ = &panel;
    gained_ = 0;
    const auto [weights, group] = slab_.shape();
    for (size_t column = panel.first(); column < panel.end(); column += weights) {
      if (weights > group && codes_.hasFactor) improveFactors(column);
      for (size_t i = 0; i < weights; i += group) improveGroup(column + i);
    }
    return gained_;
  }

 protected:
  GroupSteps(const ScaleCodes& codes, const Slab& slab)
      : codes_(codes),
        slab_(slab),
        state_(slab.shape().group, slab.shape().group / Slab::kCodeWeights),
        trial_(state_),
        steps_(slab.shape().weights * kSlab),
        levels_(slab.shape().weights * kSlab),
        products_(slab.shape().weights * kSlab) {}

  /// Changes of a group, each of which ends with `keepBetter`.
  virtual void tryChanges(size_t column) = 0;
  /// Moments of d, whose levels are scales · levels, and of m, whose levels are minimums.
  virtual LaneMoments factorMoments(size_t column) = 0;
  /// Sets the errors of a block to those of its scales and codes.
  virtual void decodeBlock(size_t column) = 0;

  /// Makes the trial the state in rows where its error is smaller, and calls keep(lane) for them.
  template <typename Keep>
  void keepBetter(const Keep& keep) {
    Losses changes{};
    for (size_t at = 0; at < trial_.errors.size(); at += kSlab) {
      for (size_t lane = lanes_.first; lane < lanes_.end; ++lane) {
        const double step = trial_.errors[at + lane] - state_.errors[at + lane];
        changes[lane] += step * (static_cast<double>(trial_.gradients[at + lane]) + state_.gradients[at + lane]);
      }
    }
    for (size_t lane = lanes_.first; lane < std::min(lanes_.end, slab_.rows()); ++lane) {
      if (!(changes[lane] < 0)) continue;
      changes_[lane] += changes[lane];
      state_.copyLane(trial_, lane);
      keep(lane);
    }
  }

  /// `products_`: the first `count` of `levels_` times the Hessian of their columns.
  void multiplyLevels(size_t column, size_t count) {
    std::fill_n(products_.data(), count * kSlab, 0.0f);
    for (size_t i = 0; i < count; i += panel_->group()) {
      kernels().addFeedback(products_.data(), levels_.data() + i * kSlab, panel_->tile(column + i, column), panel_->group(), count);
    }
  }

  const ScaleCodes& codes_;
  Slab slab_;
  GradientPanel* panel_ = nullptr;
  LaneRange lanes_{0, kSlab};              // that are being changed
  GroupState<typename Slab::Code> state_;  // of the group
  GroupState<typename Slab::Code> trial_;
  std::vector<float> steps_;     // of errors
  std::vector<float> levels_;    // of the weights of a block
  std::vector<float> products_;  // of these with the Hessian

 private:
  void improveGroup(size_t column) {
    float* errors = slab_.errors(column);
    std::copy_n(panel_->at(column), state_.gradients.size(), state_.gradients.data());
    std::copy_n(errors, state_.errors.size(), state_.errors.data());
    std::copy_n(slab_.codes(column), state_.codes.size(), state_.codes.data());
    save(column);
    const size_t step = panel_->lanesAtOnce();
    for (lanes_ = {0, step}; lanes_.first < slab_.rows(); lanes_ = {lanes_.end, lanes_.end + step}) {
      tryChanges(column);
      settleGroup(column);
    }
    for (size_t i = 0; i < state_.errors.size(); ++i) steps_[i] = state_.errors[i] - errors[i];
    std::copy(state_.errors.begin(), state_.errors.end(), errors);
    std::copy(state_.codes.begin(), state_.codes.end(), slab_.codes(column));
    panel_->add(column, slab_.shape().group, steps_.data());
  }

  /// Gives rows that do not keep their changes of a group the former ones back.
  void settleGroup(size_t column) {
    const float* errors = slab_.errors(column);
    std::fill_n(steps_.data(), state_.errors.size(), 0.0f);
    for (size_t at = 0; at < state_.errors.size(); at += kSlab) {
      for (size_t i = at + lanes_.first; i < at + lanes_.end; ++i) steps_[i] = state_.errors[i] - errors[i];
    }
    const auto undo = [&](size_t lane) {
      for (size_t at = lane; at < state_.errors.size(); at += kSlab) state_.errors[at] = errors[at];
      for (size_t at = lane; at < state_.codes.size(); at += kSlab) state_.codes[at] = slab_.codes(column)[at];
    };
    overRejected(column, slab_.shape().group, state_.gradients.data(), undo);
  }

  /// Keeps the scales of a block for rows whose changes are rejected.
  void save(size_t column) {
    std::copy_n(&slab_.scalesAt(column, 0), kSlab, saved_.begin());
    changes_.fill(0);
  }

  /// Settles `steps_` of some columns. Rows that do not keep them get their scales back, and undo(lane) is called for them.
  template <typename Undo>
  void overRejected(size_t column, size_t count, float* gradients, const Undo& undo) {
    const Settled settled = panel_->settle(column, count, lanes_, steps_.data(), changes_, gradients);
    gained_ += settled.gained;
    for (size_t lane = lanes_.first; lane < std::min(lanes_.end, slab_.rows()); ++lane) {
      if (settled.kept[lane]) continue;
      slab_.scalesAt(column, lane) = saved_[lane];
      undo(lane);
    }
  }

  /// Replaces the factors of a block by the best ones, where that reduces the error.
  void improveFactors(size_t column) {
    const LaneMoments moments = factorMoments(column);
    save(column);
    bool isChanged = false;
    for (size_t lane = 0; lane < slab_.rows(); ++lane) {
      BlockScales& scales = slab_.scalesAt(column, lane);
      const BlockScales found = fitFactors(codes_, scales, moments[lane]);
      const double change = moments[lane].change(found.d - scales.d, found.m - scales.m);
      if (!(change < 0)) continue;
      changes_[lane] = change;
      scales = found;
      isChanged = true;
    }
    if (!isChanged) return;
    const float* errors = slab_.errors(column);
    std::copy_n(errors, steps_.size(), steps_.data());
    decodeBlock(column);
    for (size_t i = 0; i < steps_.size(); ++i) steps_[i] = errors[i] - steps_[i];
    lanes_ = {0, kSlab};
    bool isRejected = false;
    overRejected(column, slab_.shape().weights, nullptr, [&](size_t) { isRejected = true; });
    panel_->add(column, slab_.shape().weights, steps_.data());
    if (isRejected) decodeBlock(column);
  }

  std::array<BlockScales, kSlab> saved_;
  Losses changes_{};  // of the error of each row, all others being as they are
  double gained_ = 0;
};

}  // namespace qs
