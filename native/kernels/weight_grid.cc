#include "weight_grid.h"

#include <algorithm>
#include <cmath>

namespace qs {
namespace {

// Quantiles of the standard normal distribution scaled to [−1, 1] with an exact zero: QLoRA (Dettmers et al., 2023), appendix E.
constexpr float kNf4[16] = {-1.0f,
                            -0.6961928009986877f,
                            -0.5250730514526367f,
                            -0.39491748809814453f,
                            -0.28444138169288635f,
                            -0.18477343022823334f,
                            -0.09105003625154495f,
                            0.0f,
                            0.07958029955625534f,
                            0.16093020141124725f,
                            0.24611230194568634f,
                            0.33791524171829224f,
                            0.44070982933044434f,
                            0.5626170039176941f,
                            0.7229568362236023f,
                            1.0f};
// llama.cpp's kvalues_iq4nl: denser around zero, as weights are.
constexpr float kIq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// A float with 2 exponent bits and 1 mantissa bit over 12, whose smallest value is a sixteenth of the usual one.
constexpr float kFp4[16] = {0.0f,         0.0625f / 12.0f,  8.0f / 12.0f,  1.0f,  4.0f / 12.0f,  6.0f / 12.0f,
                            2.0f / 12.0f, 3.0f / 12.0f,     0.0f,          -0.0625f / 12.0f, -8.0f / 12.0f, -1.0f,
                            -4.0f / 12.0f, -6.0f / 12.0f,   -2.0f / 12.0f, -3.0f / 12.0f};

float roundedWhole(const WeightGrid& grid, float value) {
  switch (grid.half) {
    case Half::Away:
      return std::round(value);
    case Half::Up:
      return std::floor(value + 0.5f);
    case Half::Even:
      return std::nearbyint(value);
  }
  return value;
}

/// The smallest power of two that is not below a positive number; 2^−127 to 2^127.
float powerOfTwoUp(float value) {
  int exponent = 0;
  const float mantissa = std::frexp(value, &exponent);  // 0.5 to 1
  if (mantissa == 0.5f) --exponent;
  return std::ldexp(1.0f, std::clamp(exponent, -127, 127));
}

float ruledByExponent(const ScaleRule& rule, float absmax) {
  if (absmax == 0.0f) return std::ldexp(1.0f, -127);
  int exponent = 0;
  const float mantissa = 2.0f * std::frexp(absmax, &exponent);
  const bool up = rule.up == 1.0f ? mantissa > 1.0f : mantissa >= rule.up;
  return std::ldexp(1.0f, std::clamp(exponent - 1 - rule.largest + (up ? 1 : 0), -127, 127));
}

GroupSpan widenedSpan(const WeightGrid& grid, GroupSpan span) {
  span.min = rounded(span.min, grid.weights);
  span.max = rounded(span.max, grid.weights);
  if (grid.rule.kind == ScaleRule::Kind::Range && grid.rule.widened) {
    span.min = std::min(span.min, 0.0f);
    span.max = std::max(span.max, 0.0f);
  }
  if (grid.least.kind == LeastScale::Kind::Zeros && span.min == 0.0f && span.max == 0.0f) {
    span = {-grid.least.value, grid.least.value};
  }
  return span;
}

/// The range that the rule divides, and its divisor.
struct Fraction {
  float range;
  float divisor;
};

Fraction fractionOf(const WeightGrid& grid, const GroupSpan& span) {
  const ScaleRule& rule = grid.rule;
  const float absmax = std::max(std::fabs(span.min), std::fabs(span.max));
  const float least = grid.least.kind == LeastScale::Kind::Range ? rounded(grid.least.value, grid.arithmetic) : 0.0f;
  switch (rule.kind) {
    case ScaleRule::Kind::Range:
      return {std::max(rounded(span.max - span.min, grid.arithmetic), least), grid.levels.high - grid.levels.low};
    case ScaleRule::Kind::Extreme:
      return {span.max > -span.min ? span.max : span.min, rule.divisor};
    default:
      return {std::max(absmax, least), rule.oneSided && span.min >= 0.0f ? 2.0f * rule.divisor : rule.divisor};
  }
}

float atLeast(const WeightGrid& grid, float scale) {
  const float least = grid.least.value;
  if (grid.least.kind == LeastScale::Kind::Scale) return std::max(scale, least);
  return grid.least.kind == LeastScale::Kind::ZeroScale && scale == 0.0f ? least : scale;
}

float withGlobal(const WeightGrid& grid, float scale, float globalScale) {
  if (globalScale == 0.0f) return scale;
  return grid.globalFactor ? scale / globalScale : scale * globalScale;
}

/// What a rule by inverse multiplies weights by; not for a range of 0.
float ruledInverse(const WeightGrid& grid, const Fraction& fraction) {
  return rounded(1.0f / fraction.range * fraction.divisor, grid.arithmetic);
}

float scaleOf(const WeightGrid& grid, const GroupSpan& span, float globalScale) {
  if (grid.rule.kind == ScaleRule::Kind::Exponent) {
    return ruledByExponent(grid.rule, std::max(std::fabs(span.min), std::fabs(span.max)));
  }
  const Fraction fraction = fractionOf(grid, span);
  if (fraction.range == 0.0f && grid.by == Quotient::Inverse) return atLeast(grid, 0.0f);
  float scale = rounded(fraction.range / fraction.divisor, grid.arithmetic);
  if (grid.by == Quotient::Inverse) scale = 1.0f / ruledInverse(grid, fraction);
  scale = atLeast(grid, withGlobal(grid, scale, globalScale));
  return grid.exactScales || scale == 0.0f ? scale : atLeast(grid, storedScale(scale, grid.scale));
}

/// A scale that is stored exactly is the rounded reciprocal of what its rule multiplies by, which is not the reciprocal of the scale.
float inverseFor(const WeightGrid& grid, const GroupSpan& span, float scale, float effective) {
  const Fraction fraction = fractionOf(grid, span);
  if (grid.by == Quotient::Inverse && grid.rule.kind != ScaleRule::Kind::Exponent && fraction.range != 0.0f) {
    const float inverse = ruledInverse(grid, fraction);
    if (1.0f / inverse == scale) return inverse;
  }
  return inverseOf(grid, effective);
}

/// The lowest weight in steps of the scale.
float stepsTo(const WeightGrid& grid, const GroupSpan& span, float scale) {
  if (grid.by == Quotient::Divide) return span.min / scale;
  if (grid.by == Quotient::Reciprocal) return span.min * inverseOf(grid, scale);
  return span.min * ruledInverse(grid, fractionOf(grid, span));
}

float zeroOf(const WeightGrid& grid, const GroupSpan& span, float scale) {
  if (grid.zero == ZeroKind::Minimum) return span.min;
  const float low = grid.levels.low;
  // Where zero scales were replaced, 0 over 0 has become 0.
  if (grid.least.kind == LeastScale::Kind::ZeroScale && span.min == span.max) return std::max(0.0f, low);
  const float steps = scale == 0.0f ? 0.0f : stepsTo(grid, span, scale);
  const float zero = rounded(low - rounded(steps, grid.arithmetic), grid.arithmetic);
  if (grid.zero == ZeroKind::Float) return zero;
  return std::clamp(roundedWhole(grid, zero), low, grid.levels.high) + 0.0f;  // no negative zero
}

/// The value of a code of a float grid. A code without a finite value gives NaN or an infinity.
float floatLevel(const Levels& levels, uint32_t code) {
  const int width = levels.exponent + levels.mantissa;
  const uint32_t size = code & ((1u << width) - 1);
  const uint32_t sign = (code >> width & 1u) << 31;
  if (size > levels.largestCode) {
    return floatOf(levels.infinities && size == levels.largestCode + 1 ? sign | 0x7f800000u : 0x7fc00000u);
  }
  const int exponent = static_cast<int>(size >> levels.mantissa);
  const uint32_t fraction = size & ((1u << levels.mantissa) - 1);
  const uint32_t whole = exponent == 0 ? fraction : fraction + (1u << levels.mantissa);
  const float value = std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - levels.bias - levels.mantissa);
  return floatOf(sign | bitsOf(value));
}

/// Two codes of one value count once, the lower of them.
void readTable(const float* table, LevelTable& found) {
  int32_t count = 0;
  for (int32_t code = 0; code < 16; ++code) {
    found.values[code] = static_cast<int32_t>(bitsOf(table[code]));
    const auto same = [&](int32_t other) { return table[other] == table[code]; };
    if (std::none_of(found.order, found.order + count, same)) found.order[count++] = code;
  }
  std::sort(found.order, found.order + count, [&](int32_t a, int32_t b) { return table[a] < table[b]; });
  found.midpoints = count - 1;
  for (int k = 0; k < found.midpoints; ++k) found.midpoint[k] = (table[found.order[k]] + table[found.order[k + 1]]) * 0.5f;
}

}  // namespace

LevelTable tableOf(const Levels& levels) {
  LevelTable found;
  if (levels.kind == Levels::Kind::Float) {
    const uint32_t count = 1u << bitsOfCode(levels);
    for (uint32_t code = 0; code < count; ++code) found.values[code] = static_cast<int32_t>(bitsOf(floatLevel(levels, code)));
  }
  if (levels.kind == Levels::Kind::Table) readTable(levels.table, found);
  return found;
}

const float* nf4Table() { return kNf4; }
const float* fp4Table() { return kFp4; }
const float* iq4Table() { return kIq4; }

float storedScale(float scale, ScaleType type) {
  switch (type) {
    case ScaleType::F32:
      return scale;
    case ScaleType::F16:
      return rounded(scale, Arithmetic::F16);
    case ScaleType::BF16:
      return rounded(scale, Arithmetic::BF16);
    case ScaleType::E8M0:
      return powerOfTwoUp(scale);
    case ScaleType::E4M3:
      return floatFromFp8(fp8FromFloat(scale, kE4M3), kE4M3);
  }
  return scale;
}

GroupParameters parametersOf(const WeightGrid& grid, GroupSpan given, float globalScale) {
  const GroupSpan span = widenedSpan(grid, given);
  const float scale = scaleOf(grid, span, globalScale);
  const float effective = effectiveScale(grid, scale, globalScale);
  const float zero = grid.zero == ZeroKind::None ? 0.0f : zeroOf(grid, span, effective);
  return {scale, zero, inverseFor(grid, span, scale, effective)};
}

}  // namespace qs
