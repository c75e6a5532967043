#pragma once
// Codes of a grid from weights, and weights from codes, a vector at a time. Each lane has a scale and a zero point of its own, so that
// lanes can be weights of a group, rows, or candidates of a search.
#include <cstddef>
#include <cstdint>

#include "grid_row.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

/// Each lane rounded to the dtype in which a library computes.
QS_INLINE F32 roundedLanes(F32 value, Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::F32) return value;
  if (arithmetic == Arithmetic::F16) {
    uint16_t halves[kLanes];
    storeHalves(halves, value);
    return loadHalves(halves);
  }
  const I32 bits = asInts(value);
  return asFloats((bits + splat(0x7fff) + ((bits >> 16) & splat(1))) & splat(-65536));
}

QS_INLINE F32 limited(F32 value, F32 low, F32 high) { return smaller(larger(value, low), high); }

/// Codes and values of one grid.
class Coder {
 public:
  explicit Coder(const WeightGrid& grid);

  /// Codes as stored: two's complement for signed integers. A lane whose scale is 0 gets the code of 0.
  /// @param inverse what weights are multiplied by, where the grid does not divide.
  QS_INLINE I32 codes(F32 weights, F32 scale, F32 inverse, F32 zero) const {
    const F32 x = roundedLanes(weights, grid_.weights);
    if (grid_.levels.kind == Levels::Kind::Integer) return integers(x, scale, inverse, zero);
    F32 quotient = quotientOf(x, scale, inverse);
    if (zeroBefore_) quotient = quotient + zero;  // of negative zeros it makes positive ones
    return grid_.levels.kind == Levels::Kind::Float ? floats(quotient) : entries(quotient);
  }

  /// Weights that codes stand for.
  QS_INLINE F32 values(I32 code, F32 scale, F32 zero) const {
    const F32 level = grid_.levels.kind == Levels::Kind::Integer ? toFloats(code) : asFloats(gather(grid_.table.values, code));
    const F32 shifted = subtractsZero_ ? level - zero : level;
    F32 value = shifted * scale;
    if (grid_.perScale != 0.0f) value = value * splat(perCode_);
    if (grid_.zero == ZeroKind::Minimum) value = value + zero;
    return roundedLanes(value, grid_.arithmetic);
  }

  /// kLanes codes from bytes.
  QS_INLINE I32 load(const uint8_t* from) const {
    return signed_ ? loadSignedBytes(reinterpret_cast<const int8_t*>(from)) : loadBytes(from);
  }

  const WeightGrid& grid() const { return grid_; }

 private:
  QS_INLINE F32 quotientOf(F32 x, F32 scale, F32 inverse) const {
    const F32 quotient = grid_.by == Quotient::Divide ? x / scale : x * inverse;
    const Mask isNumber = (scale != zeroFloats()) & (quotient == quotient);  // 0 times an infinite inverse is not
    return roundedLanes(select(isNumber, quotient, zeroFloats()), quotients_);
  }

  QS_INLINE F32 whole(F32 value) const {
    if (grid_.half == Half::Away) return roundedAway(value);
    const F32 nearest = (value + splat(kRounder)) - splat(kRounder);
    if (grid_.half == Half::Even) return nearest;
    return select(value - nearest == splat(0.5f), nearest + splat(1.0f), nearest);
  }

  QS_INLINE I32 integers(F32 x, F32 scale, F32 inverse, F32 zero) const {
    const F32 low = splat(grid_.levels.low);
    const F32 high = splat(grid_.levels.high);
    if (grid_.zero == ZeroKind::Minimum) {
      const F32 above = roundedLanes(x - zero, grid_.arithmetic);
      return truncated(whole(limited(quotientOf(above, scale, inverse), low, high)));
    }
    const F32 quotient = quotientOf(x, scale, inverse);
    if (zeroBefore_) {
      return truncated(whole(limited(roundedLanes(quotient + zero, grid_.arithmetic), low, high)));
    }
    return truncated(whole(limited(quotient, low - zero, high - zero)) + zero);
  }

  /// Half to even; saturating. Zeros keep their signs.
  QS_INLINE I32 floats(F32 quotient) const {
    const Levels& levels = grid_.levels;
    const F32 size = smaller(magnitude(quotient), splat(levels.largest));
    const int shift = 23 - levels.mantissa;
    const I32 bits = asInts(size);
    const I32 normal = ((bits + splat((1 << (shift - 1)) - 1) + ((bits >> shift) & splat(1))) >> shift) - splat(rebias_);
    const I32 subnormal = nearestInts(smaller(size, splat(smallestNormal_)) * splat(steps_));
    const I32 code = select(size < splat(smallestNormal_), subnormal, normal);
    const I32 sign = (asInts(quotient) >> 31) << (levels.exponent + levels.mantissa);
    return code | sign;
  }

  /// The nearest value: the number of midpoints between neighbours that lie below.
  QS_INLINE I32 entries(F32 quotient) const {
    I32 below = splat(0);
    const LevelTable& table = grid_.table;
    for (int k = 0; k < table.midpoints; ++k) below = below + select(quotient > splat(table.midpoint[k]), splat(1), splat(0));
    return gather(table.order, below);
  }

  const WeightGrid& grid_;
  bool signed_;
  bool subtractsZero_;
  bool zeroBefore_;
  Arithmetic quotients_;
  float perCode_ = 1.0f;
  // Floats.
  int32_t rebias_ = 0;          // the exponent's bias in float32 less the grid's, in mantissa steps
  float smallestNormal_ = 0.0f;
  float steps_ = 0.0f;          // subnormal codes per unit
};

/// Extremes of n weights.
GroupSpan spanOfWeights(const float* x, size_t n);

void encodeGridRow(const WeightGrid& grid, const float* x, GridRow row, uint8_t* codes);
void decodeGridRow(const WeightGrid& grid, const uint8_t* codes, GridRow row, float* y);
/// Groups of columns in any order: `groups` has that of each.
void decodePermutedRow(const WeightGrid& grid, const uint8_t* codes, GridRow row, const int32_t* groups, float* y);

}  // namespace qs::QS_TARGET
