#pragma once
// A vector of float32 or int32 lanes. Every kernel is written once on top of it and compiled once per instruction set,
// into the namespace QS_TARGET (avx512, avx2, neon, scalar). All of them compute the same bits: no operation is fused,
// approximated or reordered.
#if defined(QS_AVX512)
#define QS_TARGET avx512
#include "avx512.h"
#elif defined(QS_AVX2)
#define QS_TARGET avx2
#include "avx2.h"
#elif defined(QS_NEON)
#define QS_TARGET neon
#include "neon.h"
#else
#define QS_TARGET scalar
#include "scalar.h"
#endif

namespace qs::QS_TARGET {

QS_INLINE F32 operator-(F32 a) { return asFloats(asInts(a) ^ splat(INT32_MIN)); }
QS_INLINE F32 zeroFloats() { return splat(0.0f); }

// 1.5 · 2^23: adding it leaves no fraction bits, which rounds to the nearest integer, ties to even.
inline constexpr float kRounder = 12582912.0f;

/// The nearest integer (ties to even) of each lane, as a float, limited to [smallest, largest]. Values beyond ±2^22
/// wrap around as in ggml's nearest_int, so that even such blocks get the same bytes.
QS_INLINE F32 nearestCode(F32 value, int smallest, int largest) {
  const I32 rounded = andOr(asInts(value + splat(kRounder)), splat(0x007fffff), splat(0x4b000000));
  const F32 limited = larger(asFloats(rounded), splat(kRounder + static_cast<float>(smallest)));
  return smaller(limited, splat(kRounder + static_cast<float>(largest))) - splat(kRounder);
}

/// The nearest integer (ties to even) of each lane, wrapping around beyond ±2^22.
QS_INLINE I32 nearestInts(F32 value) {
  return (asInts(value + splat(kRounder)) & splat(0x007fffff)) - splat(0x00400000);
}

/// nearestCode(value / divisor), in nearly all cases without a division: a product with the reciprocal that is well within
/// half a step of its integer rounds as the quotient does.
QS_INLINE F32 nearestQuotient(F32 value, float divisor, int smallest, int largest) {
  const F32 product = value * splat(1.0f / divisor);
  const F32 rounded = nearestCode(product, -4194304, 4194303);
  const Mask sure = magnitude(product - rounded) < splat(0.499f);
  if (laneBits(sure) != (1u << kLanes) - 1) return nearestCode(value / splat(divisor), smallest, largest);
  const F32 limit = splat(static_cast<float>(smallest));
  return smaller(larger(rounded, limit), splat(static_cast<float>(largest)));
}

/// Rounds half away from zero, for magnitudes below 2^31.
QS_INLINE F32 roundedAway(F32 value) {
  const F32 whole = toFloats(truncated(value));
  const F32 rest = value - whole;
  const F32 up = select(rest >= splat(0.5f), whole + splat(1.0f), whole);
  return select(rest <= splat(-0.5f), whole - splat(1.0f), up);
}

/// N consecutive floats of kLanes runs: lane l of at[i] is element i of run l. N is a multiple of 16.
template <int N>
struct Runs {
  F32 at[N];
};

template <int N>
QS_INLINE void loadRuns(const float* const* runs, size_t offset, Runs<N>& out) {
  for (int i = 0; i < N; i += kLanes) transpose(runs, offset + static_cast<size_t>(i), out.at + i);
}

}  // namespace qs::QS_TARGET
