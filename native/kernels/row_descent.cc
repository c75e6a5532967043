#include "row_descent.h"

#include "levels.h"

namespace qs::QS_TARGET {
namespace {

// Vectors of columns whose sums stay in registers.
constexpr size_t kVectors = 16 / kLanes > 1 ? 16 / kLanes : 1;
constexpr size_t kColumns = kVectors * kLanes;
static_assert(kColumns == 16);

/// A code and its value from the first lane.
struct Coded {
  uint8_t code;
  float value;
};

QS_INLINE float firstLane(F32 values) {
  float lanes[kLanes];
  store(lanes, values);
  return lanes[0];
}

/// Sets the error of each column in turn, `coded(column)` being the code and value that its weight gets, and keeps gradients up to date.
template <typename Code>
QS_INLINE void overRow(const RowRun& run, const Code& coded) {
  for (size_t i = 0; i < run.count; ++i) {
    const Coded found = coded(i);
    run.codes[i] = found.code;
    const float error = found.value - run.weights[i];
    const float step = error - run.errors[i];
    if (step == 0.0f) continue;
    run.errors[i] = error;
    addRows(run.gradients, &step, run.hessian + i * run.stride, run.stride, 1, run.count);
  }
}

}  // namespace

void addRows(float* to, const float* factors, const float* rows, size_t stride, size_t count, size_t width) {
  for (size_t k = 0; k < width; k += kColumns) {
    F32 sums[kVectors];
    for (size_t v = 0; v < kVectors; ++v) sums[v] = load(to + k + v * kLanes);
    for (size_t j = 0; j < count; ++j) {
      const F32 factor = splat(factors[j]);
      const float* row = rows + j * stride + k;
      for (size_t v = 0; v < kVectors; ++v) sums[v] = sums[v] + factor * load(row + v * kLanes);
    }
    for (size_t v = 0; v < kVectors; ++v) store(to + k + v * kLanes, sums[v]);
  }
}

void sweepRow(const WeightGrid& grid, const RowRun& run, const RowScale& own) {
  const Coder coder(grid);
  const F32 scale = splat(own.scale);
  const F32 zero = splat(own.zero);
  overRow(run, [&](size_t i) {
    const float value = run.weights[i] + run.errors[i];
    const float optimum = value - run.gradients[i] * (1.0f / run.hessian[i * run.stride + i]);
    const I32 codes = coder.codes(splat(optimum), scale, splat(own.inverse), zero);
    uint8_t bytes[kLanes];
    storeBytes(bytes, codes);
    return Coded{bytes[0], firstLane(coder.values(codes, scale, zero))};
  });
}

void rescaleRow(const WeightGrid& grid, const RowRun& run, const RowScale& own) {
  const Coder coder(grid);
  overRow(run, [&](size_t i) {
    uint8_t bytes[kLanes];
    for (uint8_t& byte : bytes) byte = run.codes[i];
    return Coded{run.codes[i], firstLane(coder.values(coder.load(bytes), splat(own.scale), splat(own.zero)))};
  });
}

}  // namespace qs::QS_TARGET
