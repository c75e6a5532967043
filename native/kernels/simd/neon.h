#pragma once
// Four float32 lanes: NEON of arm64.
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../platform.h"

namespace qs::QS_TARGET {

inline constexpr int kLanes = 4;

struct F32 {
  float32x4_t v;
};
struct I32 {
  int32x4_t v;
};
// All bits of a lane set, or none.
struct Mask {
  uint32x4_t v;
};

QS_INLINE F32 splat(float value) { return {vdupq_n_f32(value)}; }
QS_INLINE I32 splat(int32_t value) { return {vdupq_n_s32(value)}; }

QS_INLINE F32 load(const float* from) { return {vld1q_f32(from)}; }
QS_INLINE I32 load(const int32_t* from) { return {vld1q_s32(from)}; }
QS_INLINE void store(float* to, F32 a) { vst1q_f32(to, a.v); }
QS_INLINE void store(int32_t* to, I32 a) { vst1q_s32(to, a.v); }

QS_INLINE uint32_t fourBytes(const void* from) {
  uint32_t bytes;
  std::memcpy(&bytes, from, 4);
  return bytes;
}
QS_INLINE I32 loadBytes(const uint8_t* from) {
  const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(fourBytes(from)));
  return {vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))))};
}
QS_INLINE I32 loadSignedBytes(const int8_t* from) {
  const int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(fourBytes(from)));
  return {vmovl_s16(vget_low_s16(vmovl_s8(bytes)))};
}
QS_INLINE I32 loadWords(const uint16_t* from) { return {vreinterpretq_s32_u32(vmovl_u16(vld1_u16(from)))}; }
QS_INLINE void storeBytes(uint8_t* to, I32 a) {
  const uint16x4_t words = vmovn_u32(vreinterpretq_u32_s32(a.v));
  const uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
  std::memcpy(to, &bytes, 4);
}
QS_INLINE void storeWords(uint16_t* to, I32 a) { vst1_u16(to, vmovn_u32(vreinterpretq_u32_s32(a.v))); }
QS_INLINE F32 loadHalves(const uint16_t* from) { return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)))}; }
QS_INLINE void storeHalves(uint16_t* to, F32 a) { vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(a.v))); }

QS_INLINE F32 operator+(F32 a, F32 b) { return {vaddq_f32(a.v, b.v)}; }
QS_INLINE F32 operator-(F32 a, F32 b) { return {vsubq_f32(a.v, b.v)}; }
QS_INLINE F32 operator*(F32 a, F32 b) { return {vmulq_f32(a.v, b.v)}; }
QS_INLINE F32 operator/(F32 a, F32 b) { return {vdivq_f32(a.v, b.v)}; }
QS_INLINE F32 squareRoot(F32 a) { return {vsqrtq_f32(a.v)}; }
// a < b ? a : b and a > b ? a : b, also for zeros of both signs and for NaN.
QS_INLINE F32 smaller(F32 a, F32 b) { return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)}; }
QS_INLINE F32 larger(F32 a, F32 b) { return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)}; }
QS_INLINE F32 magnitude(F32 a) { return {vabsq_f32(a.v)}; }

QS_INLINE I32 operator+(I32 a, I32 b) { return {vaddq_s32(a.v, b.v)}; }
QS_INLINE I32 operator-(I32 a, I32 b) { return {vsubq_s32(a.v, b.v)}; }
QS_INLINE I32 operator&(I32 a, I32 b) { return {vandq_s32(a.v, b.v)}; }
QS_INLINE I32 operator|(I32 a, I32 b) { return {vorrq_s32(a.v, b.v)}; }
QS_INLINE I32 operator^(I32 a, I32 b) { return {veorq_s32(a.v, b.v)}; }
QS_INLINE I32 operator<<(I32 a, int by) { return {vshlq_s32(a.v, vdupq_n_s32(by))}; }
// Logical: zeros come in from the left.
QS_INLINE I32 operator>>(I32 a, int by) {
  return {vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a.v), vdupq_n_s32(-by)))};
}
QS_INLINE I32 shiftRightSigned(I32 a, int by) { return {vshlq_s32(a.v, vdupq_n_s32(-by))}; }
QS_INLINE I32 smaller(I32 a, I32 b) { return {vminq_s32(a.v, b.v)}; }
QS_INLINE I32 larger(I32 a, I32 b) { return {vmaxq_s32(a.v, b.v)}; }
// (a & b) | c.
QS_INLINE I32 andOr(I32 a, I32 b, I32 c) { return (a & b) | c; }

QS_INLINE I32 asInts(F32 a) { return {vreinterpretq_s32_f32(a.v)}; }
QS_INLINE F32 asFloats(I32 a) { return {vreinterpretq_f32_s32(a.v)}; }
QS_INLINE F32 toFloats(I32 a) { return {vcvtq_f32_s32(a.v)}; }
// Rounds towards zero; INT_MIN where the value does not fit (NEON itself saturates).
QS_INLINE I32 truncated(F32 a) {
  const uint32x4_t fits = vcltq_f32(vabsq_f32(a.v), vdupq_n_f32(2147483648.0f));
  return {vbslq_s32(fits, vcvtq_s32_f32(a.v), vdupq_n_s32(INT32_MIN))};
}

QS_INLINE Mask operator<(F32 a, F32 b) { return {vcltq_f32(a.v, b.v)}; }
QS_INLINE Mask operator>(F32 a, F32 b) { return {vcgtq_f32(a.v, b.v)}; }
QS_INLINE Mask operator<=(F32 a, F32 b) { return {vcleq_f32(a.v, b.v)}; }
QS_INLINE Mask operator>=(F32 a, F32 b) { return {vcgeq_f32(a.v, b.v)}; }
QS_INLINE Mask operator==(F32 a, F32 b) { return {vceqq_f32(a.v, b.v)}; }
QS_INLINE Mask operator!=(F32 a, F32 b) { return {vmvnq_u32(vceqq_f32(a.v, b.v))}; }
QS_INLINE Mask operator==(I32 a, I32 b) { return {vceqq_s32(a.v, b.v)}; }
QS_INLINE Mask operator>(I32 a, I32 b) { return {vcgtq_s32(a.v, b.v)}; }
QS_INLINE Mask operator&(Mask a, Mask b) { return {vandq_u32(a.v, b.v)}; }
QS_INLINE Mask operator|(Mask a, Mask b) { return {vorrq_u32(a.v, b.v)}; }
QS_INLINE Mask operator~(Mask a) { return {vmvnq_u32(a.v)}; }
// Bit i is lane i.
QS_INLINE uint32_t laneBits(Mask a) {
  constexpr uint32_t kBits[4] = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(a.v, vld1q_u32(kBits)));
}
QS_INLINE bool any(Mask a) { return vmaxvq_u32(a.v) != 0; }

QS_INLINE F32 select(Mask mask, F32 yes, F32 no) { return {vbslq_f32(mask.v, yes.v, no.v)}; }
QS_INLINE I32 select(Mask mask, I32 yes, I32 no) { return {vbslq_s32(mask.v, yes.v, no.v)}; }

QS_INLINE float largestOf(F32 a) { return vmaxvq_f32(a.v); }
QS_INLINE float smallestOf(F32 a) { return vminvq_f32(a.v); }

struct Ends {
  float smallest;
  float largest;
};
/// Smallest lane of `low` and largest of `high`.
QS_INLINE Ends endsOf(F32 low, F32 high) { return {smallestOf(low), largestOf(high)}; }

QS_INLINE I32 gather(const int32_t* from, I32 index) {
  const int32_t values[4] = {from[vgetq_lane_s32(index.v, 0)], from[vgetq_lane_s32(index.v, 1)],
                             from[vgetq_lane_s32(index.v, 2)], from[vgetq_lane_s32(index.v, 3)]};
  return {vld1q_s32(values)};
}

// Floats of index 4·i: byte indices of a table lookup.
QS_INLINE uint8x16_t byteIndices(int32x4_t index) {
  const uint32x4_t first = vmulq_n_u32(vreinterpretq_u32_s32(index), 0x04040404u);
  return vreinterpretq_u8_u32(vaddq_u32(first, vdupq_n_u32(0x03020100u)));
}

// Sixteen floats; a lookup uses the low four bits of each index.
struct Table16 {
  uint8x16x4_t v;
};
QS_INLINE Table16 table16(const float* from) {
  return {{{vreinterpretq_u8_f32(vld1q_f32(from)), vreinterpretq_u8_f32(vld1q_f32(from + 4)),
            vreinterpretq_u8_f32(vld1q_f32(from + 8)), vreinterpretq_u8_f32(vld1q_f32(from + 12))}}};
}
QS_INLINE F32 lookup(const Table16& table, I32 index) {
  return {vreinterpretq_f32_u8(vqtbl4q_u8(table.v, byteIndices(vandq_s32(index.v, vdupq_n_s32(15)))))};
}

// out[k] gets, in lane l, runs[l][k]: four consecutive floats of each run.
QS_INLINE void transpose(const float* const* runs, size_t offset, F32* out) {
  const float32x4x2_t low = vtrnq_f32(vld1q_f32(runs[0] + offset), vld1q_f32(runs[1] + offset));
  const float32x4x2_t high = vtrnq_f32(vld1q_f32(runs[2] + offset), vld1q_f32(runs[3] + offset));
  out[0].v = vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0]));
  out[1].v = vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1]));
  out[2].v = vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0]));
  out[3].v = vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1]));
}

// Two float64 lanes, for sums over many terms.
inline constexpr int kDoubles = 2;
// Vectors of float64 sums that fit the registers beside their operands: those of four rows, so many to a row.
inline constexpr int kSumVectors = 4;

struct F64 {
  float64x2_t v;
};

QS_INLINE F64 splat(double value) { return {vdupq_n_f64(value)}; }
QS_INLINE F64 load(const double* from) { return {vld1q_f64(from)}; }
QS_INLINE void store(double* to, F64 a) { vst1q_f64(to, a.v); }
QS_INLINE F64 operator+(F64 a, F64 b) { return {vaddq_f64(a.v, b.v)}; }
QS_INLINE F64 operator-(F64 a, F64 b) { return {vsubq_f64(a.v, b.v)}; }
QS_INLINE F64 operator*(F64 a, F64 b) { return {vmulq_f64(a.v, b.v)}; }
// The lower and the upper half of the lanes, exactly.
QS_INLINE F64 widenLow(F32 a) { return {vcvt_f64_f32(vget_low_f32(a.v))}; }
QS_INLINE F64 widenHigh(F32 a) { return {vcvt_high_f64_f32(a.v)}; }

}  // namespace qs::QS_TARGET
