#pragma once
// Conversions between float32 and the narrow floats, all rounding to nearest, ties to even.
#include <bit>
#include <cmath>
#include <cstdint>

#include "platform.h"

namespace qs {

QS_INLINE uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }
QS_INLINE float floatOf(uint32_t bits) { return std::bit_cast<float>(bits); }

// Rounds to the nearest integer, ties to even, for |value| < 2^22: adding 1.5 · 2^23 leaves no fraction bits.
QS_INLINE int nearestInt(float value) {
  return static_cast<int>(bitsOf(value + 12582912.0f) & 0x007fffffu) - 0x00400000;
}

QS_INLINE uint16_t halfFromFloat(float value) {
  const uint32_t bits = bitsOf(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to 2^16 or more
  if (magnitude < 0x38800000u) {
    // Subnormal: 0.5 has an ulp of 2^-24, the step of binary16's subnormals, so the addition rounds correctly.
    const uint32_t rounded = bitsOf(floatOf(magnitude) + 0.5f) - 0x3f000000u;
    return static_cast<uint16_t>(sign | rounded);
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

QS_INLINE float floatFromHalf(uint16_t value) {
  const uint32_t sign = static_cast<uint32_t>(value & 0x8000u) << 16;
  const uint32_t magnitude = value & 0x7fffu;
  if (magnitude >= 0x7c00u) return floatOf(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  if (magnitude < 0x400u) {
    const float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
    return floatOf(sign | bitsOf(subnormal));
  }
  return floatOf(sign | ((magnitude << 13) + 0x38000000u));
}

QS_INLINE uint16_t bfloatFromFloat(float value) {
  const uint32_t bits = bitsOf(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 64u);  // keep it a quiet NaN
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

QS_INLINE float floatFromBfloat(uint16_t value) { return floatOf(static_cast<uint32_t>(value) << 16); }

// An 8-bit float of the OCP FP8 specification: E4M3 without infinities, E5M2 with them.
struct Fp8 {
  int mantissaBits;
  int bias;
  float largest;
};
inline constexpr Fp8 kE4M3{3, 7, 448.0f};
inline constexpr Fp8 kE5M2{2, 15, 57344.0f};

// Saturating; NaN is not expected here (encoders reject it).
QS_INLINE uint8_t fp8FromFloat(float value, const Fp8& kind) {
  const uint32_t sign = (bitsOf(value) >> 24) & 0x80u;
  float magnitude = std::fabs(value);
  if (magnitude > kind.largest) magnitude = kind.largest;
  const int shift = 23 - kind.mantissaBits;
  const int smallestExponent = 1 - kind.bias;
  const float smallestNormal = floatOf(static_cast<uint32_t>(smallestExponent + 127) << 23);
  if (magnitude < smallestNormal) {
    const float steps = floatOf(static_cast<uint32_t>(kind.mantissaBits - smallestExponent + 127) << 23);
    return static_cast<uint8_t>(sign | static_cast<uint32_t>(nearestInt(magnitude * steps)));
  }
  const uint32_t bits = bitsOf(magnitude);
  const uint32_t rounded = (bits + ((1u << (shift - 1)) - 1u) + ((bits >> shift) & 1u)) >> shift;
  return static_cast<uint8_t>(sign | (rounded - (static_cast<uint32_t>(127 - kind.bias) << kind.mantissaBits)));
}

QS_INLINE float floatFromFp8(uint8_t value, const Fp8& kind) {
  const uint32_t sign = static_cast<uint32_t>(value & 0x80u) << 24;
  const uint32_t magnitude = value & 0x7fu;
  const bool nan = kind.mantissaBits == 3 ? magnitude == 0x7fu : magnitude > 0x7cu;
  if (nan) return floatOf(0x7fc00000u);
  if (kind.mantissaBits == 2 && magnitude == 0x7cu) return floatOf(sign | 0x7f800000u);
  const uint32_t exponent = magnitude >> kind.mantissaBits;
  if (exponent == 0) {
    const float step = floatOf(static_cast<uint32_t>(1 - kind.bias - kind.mantissaBits + 127) << 23);
    return floatOf(sign | bitsOf(static_cast<float>(magnitude) * step));
  }
  const int shift = 23 - kind.mantissaBits;
  return floatOf(sign | ((magnitude << shift) + (static_cast<uint32_t>(127 - kind.bias) << 23)));
}

}  // namespace qs
