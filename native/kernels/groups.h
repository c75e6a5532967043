#pragma once
// Extremes of a group of consecutive weights, for the types that take their scale from them.
#include "simd/vector.h"

namespace qs::QS_TARGET {

template <int N>
QS_INLINE float largestMagnitude(const float* x) {
  F32 largest = zeroFloats();
  for (int i = 0; i < N; i += kLanes) largest = larger(magnitude(load(x + i)), largest);
  return largestOf(largest);
}

struct Span {
  float min;
  float max;
};

/// The first weight that equals `value`; this gives the sign of a zero.
template <int N>
QS_NOINLINE float firstEqual(const float* x, float value) {
  int i = 0;
  while (i < N - 1 && x[i] != value) ++i;
  return x[i];
}

/// Smallest and largest weight; of zeros the first.
template <int N>
QS_INLINE Span spanOf(const float* x) {
  F32 min = load(x);
  F32 max = min;
  for (int i = kLanes; i < N; i += kLanes) {
    const F32 value = load(x + i);
    min = smaller(value, min);
    max = larger(value, max);
  }
  const Ends ends = endsOf(min, max);
  Span span{ends.smallest, ends.largest};
  if (span.min == 0.0f) span.min = firstEqual<N>(x, 0.0f);
  if (span.max == span.min) span.max = span.min;
  return span;
}

/// The first weight of magnitude `size`, where both signs occur.
template <int N>
QS_NOINLINE float firstOfMagnitude(const float* x, float size) {
  int i = 0;
  while (i < N - 1 && x[i] != size && x[i] != -size) ++i;
  return x[i];
}

/// The weight of largest magnitude, the first of equals; zero when all are.
template <int N>
QS_INLINE float extremeWeight(const float* x) {
  F32 min = load(x);
  F32 max = min;
  for (int i = kLanes; i < N; i += kLanes) {
    const F32 value = load(x + i);
    min = smaller(value, min);
    max = larger(value, max);
  }
  const Ends ends = endsOf(min, max);
  const float low = -ends.smallest;
  const float high = ends.largest;
  if (low == high) return low == 0.0f ? 0.0f : firstOfMagnitude<N>(x, high);
  return low > high ? -low : high;
}

/// The low byte of an integer, with its sign: what a cast to int8_t keeps.
QS_INLINE I32 asSignedByte(I32 a) { return shiftRightSigned(a << 24, 24); }

QS_INLINE float reciprocalOrZero(float d) { return d != 0.0f ? 1.0f / d : 0.0f; }

}  // namespace qs::QS_TARGET
