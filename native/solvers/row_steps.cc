#include "row_steps.h"

#include <algorithm>
#include <array>

#include "../kernels/kernels.h"
#include "../kernels/slab.h"

namespace qs {
namespace {

/// Sweeps over the codes of a group after each change of its scales.
constexpr size_t kSweeps = 2;

}  // namespace

std::vector<double> groupSums(const float* hessian, size_t stride, size_t width, size_t group) {
  std::vector<double> sums(width / group, 0.0);
  for (size_t at = 0; at < width; at += group) {
    double& sum = sums[at / group];
    for (size_t k = 0; k < group; k += 4) {
      for (size_t j = 0; j < group; ++j) {
        for (size_t q = k; q < k + 4; ++q) sum += hessian[(at + j) * stride + at + q];
      }
    }
  }
  return sums;
}

double RowSteps::improve(BlockRow& row, const RowPanel& panel) const {
  double gained = 0;
  for (size_t column = panel.first; column < panel.first + panel.width; column += parts_.weights) {
    if (parts_.groups() > 1 && parts_.codes.hasFactor) gained += improveFactors(row, panel, column);
    for (size_t i = 0; i < parts_.weights; i += parts_.group) gained += improveGroup(row, panel, column + i);
  }
  return gained;
}

/// Adds what the errors of some columns have changed by, times the Hessian.
void RowSteps::addSteps(const RowPanel& panel, size_t column, const float* steps) const {
  if (std::all_of(steps, steps + parts_.group, [](float step) { return step == 0.0f; })) return;
  kernels().addRows(panel.gradients, steps, panel.hessianAt(column, panel.first), panel.stride, parts_.group, panel.width);
}

// Groups.

double RowSteps::improveGroup(BlockRow& row, const RowPanel& panel, size_t column) const {
  GroupCopy state;
  std::copy_n(panel.gradients + (column - panel.first), parts_.group, state.gradients.begin());
  std::copy_n(row.errors(column), parts_.group, state.errors.begin());
  std::copy_n(row.codes(column), parts_.group, state.codes.begin());
  const size_t group = row.groupAt(column);
  double gained = tryScales(row, panel, column, row.scalesAt(column), state);
  const auto attempt = [&](const auto& change) {
    const BlockScales scales = change(row.scalesAt(column), momentsOf(row, panel, column, state));
    gained += tryScales(row, panel, column, scales, state);
  };
  attempt([&](const BlockScales& scales, const ScaleMoments& moments) { return fitGroup(parts_.codes, scales, group, moments); });
  for (const int by : {-1, 1}) {
    attempt([&](const BlockScales& scales, const ScaleMoments& moments) {
      return moveGroup(parts_.codes, scales, group, by, moments);
    });
  }
  std::array<float, kMostGroupWeights> steps;
  for (size_t i = 0; i < parts_.group; ++i) steps[i] = state.errors[i] - row.errors(column)[i];
  std::copy_n(state.errors.begin(), parts_.group, row.errors(column));
  std::copy_n(state.codes.begin(), parts_.group, row.codes(column));
  addSteps(panel, column, steps.data());
  return gained;
}

/// Changes the scales of a group, sweeps over its codes, and keeps what is better. Returns what it gains.
double RowSteps::tryScales(BlockRow& row, const RowPanel& panel, size_t column, const BlockScales& scales, GroupCopy& state) const {
  GroupCopy trial = state;
  const RowRun run = runOf(row, panel, column, trial);
  const RowScale scale = row.scaleOf(scales, column);
  kernels().rescaleRow(row.grid(), run, scale);
  for (size_t sweep = 0; sweep < kSweeps; ++sweep) kernels().sweepRow(row.grid(), run, scale);
  double change = 0;
  for (size_t i = 0; i < parts_.group; ++i) {
    const double step = trial.errors[i] - state.errors[i];
    change += step * (static_cast<double>(trial.gradients[i]) + state.gradients[i]);
  }
  if (!(change < 0)) return 0;
  state = trial;
  row.scalesAt(column) = scales;
  return -change;
}

RowRun RowSteps::runOf(const BlockRow& row, const RowPanel& panel, size_t column, GroupCopy& state) const {
  return {panel.hessianAt(column, column), panel.stride,        parts_.group,       row.weights(column),
          state.gradients.data(),          state.errors.data(), state.codes.data()};
}

ScaleMoments RowSteps::momentsOf(const BlockRow& row, const RowPanel& panel, size_t column, const GroupCopy& state) const {
  std::array<float, kMostGroupWeights> levels;
  std::array<float, kMostGroupWeights> products{};
  for (size_t i = 0; i < parts_.group; ++i) levels[i] = row.level(state.codes[i]);
  kernels().addRows(products.data(), levels.data(), panel.hessianAt(column, column), panel.stride, parts_.group, parts_.group);
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
  return {la, sa, lhl, lhs, panel.sums[(column - panel.first) / parts_.group]};
}

// Factors of blocks.

double RowSteps::improveFactors(BlockRow& row, const RowPanel& panel, size_t column) const {
  BlockScales& scales = row.scalesAt(column);
  const ScaleMoments moments = factorMoments(row, panel, column);
  const BlockScales found = fitFactors(parts_.codes, scales, moments);
  const double change = moments.change(found.d - scales.d, found.m - scales.m);
  if (!(change < 0)) return 0;
  scales = found;
  for (size_t at = column; at < column + parts_.weights; at += parts_.group) {
    std::array<float, kMostGroupWeights> steps;
    std::copy_n(row.errors(at), parts_.group, steps.begin());
    GroupCopy unused;
    const RowRun run{panel.hessianAt(at, at), panel.stride,  parts_.group, row.weights(at),
                     unused.gradients.data(), row.errors(at), row.codes(at)};
    kernels().rescaleRow(row.grid(), run, row.scaleOf(scales, at));
    for (size_t i = 0; i < parts_.group; ++i) steps[i] = row.errors(at)[i] - steps[i];
    addSteps(panel, at, steps.data());
  }
  return -change;
}

/// Moments of d, whose levels are scales · levels, and of m, whose levels are minimums.
ScaleMoments RowSteps::factorMoments(const BlockRow& row, const RowPanel& panel, size_t column) const {
  const BlockScales& scales = row.scalesAt(column);
  const float* gradients = panel.gradients + (column - panel.first);
  ScaleMoments moments{};
  std::vector<float> levels(parts_.weights);
  std::vector<float> minimums(parts_.weights);
  for (size_t i = 0; i < parts_.weights; ++i) {
    const size_t group = i / parts_.group;
    levels[i] = parts_.codes.valueOf(scales.scales[group]) * row.level(row.codes(column)[i]);
    minimums[i] = static_cast<float>(scales.minimums[group]);
    moments.la += static_cast<double>(levels[i]) * gradients[i];
  }
  const std::vector<float> products = multiplied(levels, panel, column);
  for (size_t i = 0; i < parts_.weights; ++i) moments.lhl += static_cast<double>(levels[i]) * products[i];
  if (!parts_.codes.hasZeros) return moments;
  const std::vector<float> ofMinimums = multiplied(minimums, panel, column);
  for (size_t i = 0; i < parts_.weights; ++i) {
    moments.lhs += static_cast<double>(minimums[i]) * products[i];
    moments.sa += static_cast<double>(minimums[i]) * gradients[i];
    moments.shs += static_cast<double>(minimums[i]) * ofMinimums[i];
  }
  return moments;
}

/// Some numbers of a block times its Hessian.
std::vector<float> RowSteps::multiplied(const std::vector<float>& levels, const RowPanel& panel, size_t column) const {
  std::vector<float> products(parts_.weights, 0.0f);
  kernels().addRows(products.data(), levels.data(), panel.hessianAt(column, column), panel.stride, parts_.weights, parts_.weights);
  return products;
}

}  // namespace qs
