#include "descent.h"

#include <algorithm>

#include "type_steps.h"

namespace qs {
namespace {

/// A round that improves the error of a slab by less, relative to that error, ends the descent.
constexpr double kLeastGain = 1e-4;

/// Puts what has improved into the blocks. Returns d·H·dᵀ of each row.
Losses descendSlab(GradientPanel& panel, SlabSteps& steps, size_t rounds, std::span<uint8_t> blocks, CancelFlag cancelled) {
  double damped = 0;
  Losses losses = panel.measure(steps.errors(), damped, cancelled);
  for (size_t round = 0; round < rounds; ++round) {
    double gained = 0;
    panel.overAll(steps.errors(), cancelled, [&] { gained += steps.improve(panel); });
    if (gained <= kLeastGain * damped) break;
    damped -= gained;
  }
  const Losses found = panel.measure(steps.errors(), damped, cancelled);
  const size_t bytes = blocks.size() / steps.rows();
  for (size_t lane = 0; lane < steps.rows(); ++lane) {
    if (!(found[lane] < losses[lane])) continue;
    losses[lane] = found[lane];
    steps.write(lane, blocks.subspan(lane * bytes, bytes));
  }
  return losses;
}

}  // namespace

void descend(const Descent& descent, std::span<double> losses, CancelFlag cancelled) {
  const TypeSteps steps(descent.type, descent.grid, descent.hessian);
  const BlockRows rows{descent.weights, descent.blocks};
  requireLength("losses", losses.size(), steps.check(rows));
  overRows((losses.size() + kSlab - 1) / kSlab, 1, cancelled, [&](size_t index, size_t) {
    const size_t first = index * kSlab;
    const BlockRows own = rows.some(first, std::min(kSlab, losses.size() - first), descent.hessian.columns);
    const std::unique_ptr<SlabSteps> slab = steps.of(own);
    GradientPanel panel(descent.hessian, steps.tile());
    const Losses found = descendSlab(panel, *slab, descent.rounds, own.blocks, cancelled);
    std::copy_n(found.begin(), slab->rows(), losses.begin() + static_cast<std::ptrdiff_t>(first));
  });
}

}  // namespace qs
