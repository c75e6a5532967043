#include "affine.h"

#include <algorithm>
#include <cmath>

#include "floats.h"

// The basic integer formats, in float32, rounding half to even.
//   absmax      s = qmax / max|x|          q = round(s·x)                 x' = q / s        qmax = 2^(bits−1) − 1
//   zero-point  s = (2^bits − 1)/(max−min) q = clip(round(s·x) + z)       x' = (q − z) / s  z = −round(s·min) − 2^(bits−1)
//   min–max     Δ = (max−min)/(2^bits − 1) q = clip(round((x − min)/Δ))   x' = min + q·Δ
// The stored scale is s for the first two and Δ for the third; the stored zero is z or min.

namespace qs::QS_TARGET {
namespace {

struct Parameters {
  float scale;
  float zero;
};

/// A group whose scale would not be finite: all zeros, one repeated value, or a range too small for float32 to divide by.
Parameters degenerateZeroPoint(Range range) {
  const float inverse = 1.0f / std::fabs(range.max);
  return std::isfinite(inverse) && range.max == range.min ? Parameters{inverse, 0.0f} : Parameters{1.0f, 0.0f};
}

Parameters parametersOf(AffineRule rule, int bits, Range range) {
  const float levels = static_cast<float>((1 << bits) - 1);
  switch (rule) {
    case AffineRule::Absmax: {
      const float qmax = static_cast<float>((1 << (bits - 1)) - 1);
      const float scale = qmax / std::max(std::fabs(range.min), std::fabs(range.max));
      return {std::isfinite(scale) ? scale : 0.0f, 0.0f};
    }
    case AffineRule::ZeroPoint: {
      const float scale = levels / (range.max - range.min);
      if (!std::isfinite(scale) || scale == 0.0f) return degenerateZeroPoint(range);
      return {scale, -std::nearbyint(scale * range.min) - static_cast<float>(1 << (bits - 1))};
    }
    case AffineRule::MinMax:
      return {(range.max - range.min) / levels, range.min};
  }
  return {0.0f, 0.0f};
}

/// Codes are bytes; 4-bit signed codes are stored with 8 added.
QS_INLINE uint8_t storedCode(float code, int bits) {
  return static_cast<uint8_t>(static_cast<int>(code) + (bits == 4 ? 8 : 0));
}
QS_INLINE float loadedCode(uint8_t code, int bits) {
  return bits == 4 ? static_cast<float>(static_cast<int>(code) - 8) : static_cast<float>(static_cast<int8_t>(code));
}

QS_INLINE float clip(float value, float low, float high) { return std::max(low, std::min(high, value)); }

}  // namespace

void encodeAffineGroup(AffineRule rule, int bits, const float* x, size_t n, Range range, uint8_t* codes,
                               float& scale, float& zero) {
  const Parameters parameters = parametersOf(rule, bits, range);
  scale = parameters.scale;
  zero = parameters.zero;
  const float s = scale;
  const float z = zero;
  const float half = static_cast<float>(1 << (bits - 1));
  const float levels = static_cast<float>((1 << bits) - 1);
  switch (rule) {
    case AffineRule::Absmax:
      for (size_t i = 0; i < n; ++i) codes[i] = storedCode(clip(roundHalfEven(x[i] * s), 1 - half, half - 1), bits);
      return;
    case AffineRule::ZeroPoint:
      for (size_t i = 0; i < n; ++i) codes[i] = storedCode(clip(std::nearbyint(x[i] * s) + z, -half, half - 1), bits);
      return;
    case AffineRule::MinMax: {
      if (s == 0.0f) {
        std::fill(codes, codes + n, uint8_t{0});
        return;
      }
      for (size_t i = 0; i < n; ++i) codes[i] = static_cast<uint8_t>(clip(roundHalfEven((x[i] - z) / s), 0, levels));
      return;
    }
  }
}

void decodeAffineGroup(AffineRule rule, int bits, const uint8_t* codes, size_t n, float scale, float zero,
                               float* y) {
  switch (rule) {
    case AffineRule::Absmax:
      if (scale == 0.0f) {
        std::fill(y, y + n, 0.0f);
        return;
      }
      for (size_t i = 0; i < n; ++i) y[i] = loadedCode(codes[i], bits) / scale;
      return;
    case AffineRule::ZeroPoint:
      for (size_t i = 0; i < n; ++i) y[i] = (loadedCode(codes[i], bits) - zero) / scale;
      return;
    case AffineRule::MinMax:
      for (size_t i = 0; i < n; ++i) y[i] = zero + static_cast<float>(codes[i]) * scale;
      return;
  }
}

}  // namespace qs::QS_TARGET
