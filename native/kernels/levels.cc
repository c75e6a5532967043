#include "levels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace qs::QS_TARGET {
namespace {

struct Parameters {
  float scale;
  float inverse;
  float zero;
};

Parameters parametersAt(const WeightGrid& grid, const GridRow& row, size_t group) {
  const float scale = effectiveScale(grid, row.scales[group], row.globalScale);
  const float inverse = row.inverses != nullptr ? row.inverses[group] : inverseOf(grid, scale);
  return {scale, inverse, row.zeros != nullptr ? row.zeros[group] : 0.0f};
}

void encodeGroup(const Coder& coder, const float* x, size_t n, Parameters p, uint8_t* codes) {
  const F32 scale = splat(p.scale);
  const F32 inverse = splat(p.inverse);
  const F32 zero = splat(p.zero);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) storeBytes(codes + i, coder.codes(load(x + i), scale, inverse, zero));
  if (i == n) return;
  float rest[kLanes] = {};
  uint8_t found[kLanes];
  std::memcpy(rest, x + i, (n - i) * sizeof(float));
  storeBytes(found, coder.codes(load(rest), scale, inverse, zero));
  std::memcpy(codes + i, found, n - i);
}

void decodeGroup(const Coder& coder, const uint8_t* codes, size_t n, Parameters p, float* y) {
  const F32 scale = splat(p.scale);
  const F32 zero = splat(p.zero);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, coder.values(coder.load(codes + i), scale, zero));
  if (i == n) return;
  uint8_t rest[kLanes] = {};
  float found[kLanes];
  std::memcpy(rest, codes + i, n - i);
  store(found, coder.values(coder.load(rest), scale, zero));
  std::memcpy(y + i, found, (n - i) * sizeof(float));
}

}  // namespace

Coder::Coder(const WeightGrid& grid)
    : grid_(grid),
      signed_(grid.levels.kind == Levels::Kind::Integer && grid.levels.isSigned),
      subtractsZero_(grid.zero == ZeroKind::Integer || grid.zero == ZeroKind::Float),
      zeroBefore_(grid.zeroBefore || grid.zero == ZeroKind::Float),
      quotients_(grid.hasGlobal ? Arithmetic::F32 : grid.arithmetic) {
  const Levels& levels = grid.levels;
  if (grid.perScale != 0.0f) perCode_ = 1.0f / grid.perScale;
  if (levels.kind != Levels::Kind::Float) return;
  rebias_ = (127 - levels.bias) << levels.mantissa;
  smallestNormal_ = std::ldexp(1.0f, 1 - levels.bias);
  steps_ = std::ldexp(1.0f, levels.mantissa + levels.bias - 1);
}

GroupSpan spanOfWeights(const float* x, size_t n) {
  float min = x[0];
  float max = x[0];
  size_t i = 0;
  if (n >= kLanes) {
    F32 low = load(x);
    F32 high = low;
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      const F32 value = load(x + i);
      low = smaller(value, low);
      high = larger(value, high);
    }
    const Ends ends = endsOf(low, high);
    min = ends.smallest;
    max = ends.largest;
  }
  for (; i < n; ++i) {
    min = x[i] < min ? x[i] : min;
    max = x[i] > max ? x[i] : max;
  }
  return {min, max};
}

void encodeGridRow(const WeightGrid& grid, const float* x, GridRow row, uint8_t* codes) {
  const Coder coder(grid);
  for (size_t start = 0, group = 0; start < row.columns; start += row.length, ++group) {
    const size_t n = std::min(row.length, row.columns - start);
    encodeGroup(coder, x + start, n, parametersAt(grid, row, group), codes + start);
  }
}

void decodeGridRow(const WeightGrid& grid, const uint8_t* codes, GridRow row, float* y) {
  const Coder coder(grid);
  for (size_t start = 0, group = 0; start < row.columns; start += row.length, ++group) {
    const size_t n = std::min(row.length, row.columns - start);
    decodeGroup(coder, codes + start, n, parametersAt(grid, row, group), y + start);
  }
}

void decodePermutedRow(const WeightGrid& grid, const uint8_t* codes, GridRow row, const int32_t* groups, float* y) {
  const Coder coder(grid);
  for (size_t start = 0; start < row.columns; start += kLanes) {
    const size_t n = std::min<size_t>(kLanes, row.columns - start);
    float scales[kLanes] = {};
    float zeros[kLanes] = {};
    uint8_t some[kLanes] = {};
    float found[kLanes];
    for (size_t i = 0; i < n; ++i) {
      const Parameters p = parametersAt(grid, row, static_cast<size_t>(groups[start + i]));
      scales[i] = p.scale;
      zeros[i] = p.zero;
    }
    std::memcpy(some, codes + start, n);
    store(found, coder.values(coder.load(some), load(scales), load(zeros)));
    std::memcpy(y + start, found, n * sizeof(float));
  }
}

}  // namespace qs::QS_TARGET
