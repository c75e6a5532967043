#include "descent.h"

#include "levels.h"

namespace qs::QS_TARGET {
namespace {

/// The Hessian of a group, `[count / 4, count, 4]`.
class GroupHessian {
 public:
  explicit GroupHessian(const GroupRun& run) : values_(run.hessian), count_(run.count) {}
  QS_INLINE float at(size_t row, size_t column) const { return values_[(column / 4 * count_ + row) * 4 + column % 4]; }

 private:
  const float* values_;
  size_t count_;
};

/// Sets the errors of each column in turn, `value(column, lanes)` being what its weights become, and keeps gradients up to date.
template <typename Value>
QS_INLINE void overGroup(const GroupRun& run, const Value& value) {
  const GroupHessian hessian(run);
  for (size_t row = run.lanes.first; row < run.lanes.end; row += kLanes) {
    for (size_t i = 0; i < run.count; ++i) {
      const size_t at = i * kSlab + row;
      const F32 before = load(run.errors + at);
      const F32 error = value(i, at) - load(run.weights + at);
      const F32 step = error - before;
      if (!any(step != zeroFloats())) continue;
      store(run.errors + at, error);
      for (size_t k = 0; k < run.count; ++k) {
        float* gradient = run.gradients + k * kSlab + row;
        store(gradient, load(gradient) + step * splat(hessian.at(i, k)));
      }
    }
  }
}

}  // namespace

void sweepGroup(const WeightGrid& grid, const GroupRun& run, const GroupScales& scales) {
  const Coder coder(grid);
  const GroupHessian hessian(run);
  overGroup(run, [&](size_t i, size_t at) {
    const size_t row = at - i * kSlab;
    const F32 scale = load(scales.scales + row);
    const F32 zero = load(scales.zeros + row);
    const F32 value = load(run.weights + at) + load(run.errors + at);
    const F32 optimum = value - load(run.gradients + at) * splat(1.0f / hessian.at(i, i));
    const I32 codes = coder.codes(optimum, scale, load(scales.inverses + row), zero);
    storeBytes(run.codes + at, codes);
    return coder.values(codes, scale, zero);
  });
}

void rescaleGroup(const WeightGrid& grid, const GroupRun& run, const GroupScales& scales) {
  const Coder coder(grid);
  overGroup(run, [&](size_t i, size_t at) {
    const size_t row = at - i * kSlab;
    return coder.values(coder.load(run.codes + at), load(scales.scales + row), load(scales.zeros + row));
  });
}

void groupMoments(const GroupRun& run, const float* levels, const GroupMoments& moments) {
  for (size_t row = run.lanes.first; row < run.lanes.end; row += kLanes) {
    F32 la = zeroFloats();
    F32 sa = zeroFloats();
    F32 lhl = zeroFloats();
    F32 lhs = zeroFloats();
    for (size_t k = 0; k < run.count; k += 4) {
      F32 products[4] = {zeroFloats(), zeroFloats(), zeroFloats(), zeroFloats()};
      const float* tile = run.hessian + k * run.count;
      for (size_t j = 0; j < run.count; ++j) {
        const F32 level = load(levels + j * kSlab + row);
        for (size_t q = 0; q < 4; ++q) products[q] = products[q] + level * splat(tile[j * 4 + q]);
      }
      for (size_t q = 0; q < 4; ++q) {
        const F32 level = load(levels + (k + q) * kSlab + row);
        const F32 gradient = load(run.gradients + (k + q) * kSlab + row);
        la = la + level * gradient;
        sa = sa + gradient;
        lhl = lhl + level * products[q];
        lhs = lhs + products[q];
      }
    }
    store(moments.la + row, la);
    store(moments.sa + row, sa);
    store(moments.lhl + row, lhl);
    store(moments.lhs + row, lhs);
  }
}

}  // namespace qs::QS_TARGET
