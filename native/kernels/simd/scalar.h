#pragma once
// Four lanes in plain C++, for processors without a supported vector unit, and as the reference for the others.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "../floats.h"
#include "../platform.h"

namespace qs::QS_TARGET {

inline constexpr int kLanes = 4;

struct F32 {
  float v[kLanes];
};
struct I32 {
  int32_t v[kLanes];
};
struct Mask {
  bool v[kLanes];
};

/// A T whose lanes are the results of `f`.
template <typename T, typename F>
QS_INLINE T lanes(F f) {
  T out;
  for (int l = 0; l < kLanes; ++l) out.v[l] = f(l);
  return out;
}
QS_INLINE int32_t wrapped(uint32_t value) { return static_cast<int32_t>(value); }
QS_INLINE uint32_t unwrapped(int32_t value) { return static_cast<uint32_t>(value); }
QS_INLINE int32_t truncatedToInt(float value) {
  return std::fabs(value) < 2147483648.0f ? static_cast<int32_t>(value) : INT32_MIN;
}

QS_INLINE F32 splat(float value) { return lanes<F32>([&](int) { return value; }); }
QS_INLINE I32 splat(int32_t value) { return lanes<I32>([&](int) { return value; }); }

QS_INLINE F32 load(const float* from) { return lanes<F32>([&](int l) { return from[l]; }); }
QS_INLINE I32 load(const int32_t* from) { return lanes<I32>([&](int l) { return from[l]; }); }
QS_INLINE void store(float* to, F32 a) {
  for (int l = 0; l < kLanes; ++l) to[l] = a.v[l];
}
QS_INLINE void store(int32_t* to, I32 a) {
  for (int l = 0; l < kLanes; ++l) to[l] = a.v[l];
}
QS_INLINE I32 loadBytes(const uint8_t* from) { return lanes<I32>([&](int l) { return int32_t{from[l]}; }); }
QS_INLINE I32 loadSignedBytes(const int8_t* from) { return lanes<I32>([&](int l) { return int32_t{from[l]}; }); }
QS_INLINE I32 loadWords(const uint16_t* from) { return lanes<I32>([&](int l) { return int32_t{from[l]}; }); }
QS_INLINE void storeBytes(uint8_t* to, I32 a) {
  for (int l = 0; l < kLanes; ++l) to[l] = static_cast<uint8_t>(a.v[l]);
}
QS_INLINE void storeWords(uint16_t* to, I32 a) {
  for (int l = 0; l < kLanes; ++l) to[l] = static_cast<uint16_t>(a.v[l]);
}
QS_INLINE F32 loadHalves(const uint16_t* from) {
  return lanes<F32>([&](int l) { return floatFromHalf(from[l]); });
}
QS_INLINE void storeHalves(uint16_t* to, F32 a) {
  for (int l = 0; l < kLanes; ++l) to[l] = halfFromFloat(a.v[l]);
}

QS_INLINE F32 operator+(F32 a, F32 b) { return lanes<F32>([&](int l) { return a.v[l] + b.v[l]; }); }
QS_INLINE F32 operator-(F32 a, F32 b) { return lanes<F32>([&](int l) { return a.v[l] - b.v[l]; }); }
QS_INLINE F32 operator*(F32 a, F32 b) { return lanes<F32>([&](int l) { return a.v[l] * b.v[l]; }); }
QS_INLINE F32 operator/(F32 a, F32 b) { return lanes<F32>([&](int l) { return a.v[l] / b.v[l]; }); }
QS_INLINE F32 squareRoot(F32 a) { return lanes<F32>([&](int l) { return std::sqrt(a.v[l]); }); }
// a < b ? a : b and a > b ? a : b, also for zeros of both signs and for NaN.
QS_INLINE F32 smaller(F32 a, F32 b) {
  return lanes<F32>([&](int l) { return a.v[l] < b.v[l] ? a.v[l] : b.v[l]; });
}
QS_INLINE F32 larger(F32 a, F32 b) {
  return lanes<F32>([&](int l) { return a.v[l] > b.v[l] ? a.v[l] : b.v[l]; });
}
QS_INLINE F32 magnitude(F32 a) { return lanes<F32>([&](int l) { return std::fabs(a.v[l]); }); }

// Integers wrap around.
QS_INLINE I32 operator+(I32 a, I32 b) {
  return lanes<I32>([&](int l) { return wrapped(unwrapped(a.v[l]) + unwrapped(b.v[l])); });
}
QS_INLINE I32 operator-(I32 a, I32 b) {
  return lanes<I32>([&](int l) { return wrapped(unwrapped(a.v[l]) - unwrapped(b.v[l])); });
}
QS_INLINE I32 operator&(I32 a, I32 b) { return lanes<I32>([&](int l) { return a.v[l] & b.v[l]; }); }
QS_INLINE I32 operator|(I32 a, I32 b) { return lanes<I32>([&](int l) { return a.v[l] | b.v[l]; }); }
QS_INLINE I32 operator^(I32 a, I32 b) { return lanes<I32>([&](int l) { return a.v[l] ^ b.v[l]; }); }
QS_INLINE I32 operator<<(I32 a, int by) {
  return lanes<I32>([&](int l) { return wrapped(unwrapped(a.v[l]) << by); });
}
// Logical: zeros come in from the left.
QS_INLINE I32 operator>>(I32 a, int by) {
  return lanes<I32>([&](int l) { return wrapped(unwrapped(a.v[l]) >> by); });
}
QS_INLINE I32 shiftRightSigned(I32 a, int by) { return lanes<I32>([&](int l) { return a.v[l] >> by; }); }
QS_INLINE I32 smaller(I32 a, I32 b) {
  return lanes<I32>([&](int l) { return a.v[l] < b.v[l] ? a.v[l] : b.v[l]; });
}
QS_INLINE I32 larger(I32 a, I32 b) {
  return lanes<I32>([&](int l) { return a.v[l] > b.v[l] ? a.v[l] : b.v[l]; });
}
// (a & b) | c.
QS_INLINE I32 andOr(I32 a, I32 b, I32 c) { return (a & b) | c; }

QS_INLINE I32 asInts(F32 a) { return lanes<I32>([&](int l) { return wrapped(bitsOf(a.v[l])); }); }
QS_INLINE F32 asFloats(I32 a) { return lanes<F32>([&](int l) { return floatOf(unwrapped(a.v[l])); }); }
QS_INLINE F32 toFloats(I32 a) { return lanes<F32>([&](int l) { return static_cast<float>(a.v[l]); }); }
// Rounds towards zero; INT_MIN where the value does not fit.
QS_INLINE I32 truncated(F32 a) { return lanes<I32>([&](int l) { return truncatedToInt(a.v[l]); }); }

QS_INLINE Mask operator<(F32 a, F32 b) { return lanes<Mask>([&](int l) { return a.v[l] < b.v[l]; }); }
QS_INLINE Mask operator>(F32 a, F32 b) { return lanes<Mask>([&](int l) { return a.v[l] > b.v[l]; }); }
QS_INLINE Mask operator<=(F32 a, F32 b) { return lanes<Mask>([&](int l) { return a.v[l] <= b.v[l]; }); }
QS_INLINE Mask operator>=(F32 a, F32 b) { return lanes<Mask>([&](int l) { return a.v[l] >= b.v[l]; }); }
QS_INLINE Mask operator==(F32 a, F32 b) { return lanes<Mask>([&](int l) { return a.v[l] == b.v[l]; }); }
QS_INLINE Mask operator!=(F32 a, F32 b) { return lanes<Mask>([&](int l) { return a.v[l] != b.v[l]; }); }
QS_INLINE Mask operator==(I32 a, I32 b) { return lanes<Mask>([&](int l) { return a.v[l] == b.v[l]; }); }
QS_INLINE Mask operator>(I32 a, I32 b) { return lanes<Mask>([&](int l) { return a.v[l] > b.v[l]; }); }
QS_INLINE Mask operator&(Mask a, Mask b) { return lanes<Mask>([&](int l) { return a.v[l] && b.v[l]; }); }
QS_INLINE Mask operator|(Mask a, Mask b) { return lanes<Mask>([&](int l) { return a.v[l] || b.v[l]; }); }
QS_INLINE Mask operator~(Mask a) { return lanes<Mask>([&](int l) { return !a.v[l]; }); }
// Bit i is lane i.
QS_INLINE uint32_t laneBits(Mask a) {
  uint32_t bits = 0;
  for (int l = 0; l < kLanes; ++l) bits |= static_cast<uint32_t>(a.v[l]) << l;
  return bits;
}
QS_INLINE bool any(Mask a) { return laneBits(a) != 0; }

QS_INLINE F32 select(Mask mask, F32 yes, F32 no) {
  return lanes<F32>([&](int l) { return mask.v[l] ? yes.v[l] : no.v[l]; });
}
QS_INLINE I32 select(Mask mask, I32 yes, I32 no) {
  return lanes<I32>([&](int l) { return mask.v[l] ? yes.v[l] : no.v[l]; });
}

QS_INLINE float largestOf(F32 a) {
  float largest = a.v[0];
  for (int l = 1; l < kLanes; ++l) largest = a.v[l] > largest ? a.v[l] : largest;
  return largest;
}
QS_INLINE float smallestOf(F32 a) {
  float smallest = a.v[0];
  for (int l = 1; l < kLanes; ++l) smallest = a.v[l] < smallest ? a.v[l] : smallest;
  return smallest;
}

struct Ends {
  float smallest;
  float largest;
};
/// Smallest lane of `low` and largest of `high`.
QS_INLINE Ends endsOf(F32 low, F32 high) { return {smallestOf(low), largestOf(high)}; }

QS_INLINE I32 gather(const int32_t* from, I32 index) {
  return lanes<I32>([&](int l) { return from[index.v[l]]; });
}

// Sixteen floats; a lookup uses the low four bits of each index.
struct Table16 {
  float v[16];
};
QS_INLINE Table16 table16(const float* from) {
  Table16 table;
  for (int i = 0; i < 16; ++i) table.v[i] = from[i];
  return table;
}
QS_INLINE F32 lookup(const Table16& table, I32 index) {
  return lanes<F32>([&](int l) { return table.v[index.v[l] & 15]; });
}

// out[k] gets, in lane l, runs[l][k]: four consecutive floats of each run.
QS_INLINE void transpose(const float* const* runs, size_t offset, F32* out) {
  for (int k = 0; k < kLanes; ++k) out[k] = lanes<F32>([&](int l) { return runs[l][offset + static_cast<size_t>(k)]; });
}

// Two float64 lanes, for sums over many terms.
inline constexpr int kDoubles = 2;
// Vectors of float64 sums that fit the registers beside their operands: those of four rows, so many to a row.
inline constexpr int kSumVectors = 1;

struct F64 {
  double v[kDoubles];
};

QS_INLINE F64 splat(double value) { return {{value, value}}; }
QS_INLINE F64 load(const double* from) { return {{from[0], from[1]}}; }
QS_INLINE void store(double* to, F64 a) {
  to[0] = a.v[0];
  to[1] = a.v[1];
}
QS_INLINE F64 operator+(F64 a, F64 b) { return {{a.v[0] + b.v[0], a.v[1] + b.v[1]}}; }
QS_INLINE F64 operator-(F64 a, F64 b) { return {{a.v[0] - b.v[0], a.v[1] - b.v[1]}}; }
QS_INLINE F64 operator*(F64 a, F64 b) { return {{a.v[0] * b.v[0], a.v[1] * b.v[1]}}; }
// The lower and the upper half of the lanes, exactly.
QS_INLINE F64 widenLow(F32 a) { return {{a.v[0], a.v[1]}}; }
QS_INLINE F64 widenHigh(F32 a) { return {{a.v[2], a.v[3]}}; }

}  // namespace qs::QS_TARGET
