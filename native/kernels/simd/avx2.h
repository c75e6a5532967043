#pragma once
// Eight float32 lanes: AVX2 and F16C.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "../platform.h"

namespace qs::QS_TARGET {

inline constexpr int kLanes = 8;

struct F32 {
  __m256 v;
};
struct I32 {
  __m256i v;
};
// All bits of a lane set, or none.
struct Mask {
  __m256 v;
};

QS_INLINE F32 splat(float value) { return {_mm256_set1_ps(value)}; }
QS_INLINE I32 splat(int32_t value) { return {_mm256_set1_epi32(value)}; }

QS_INLINE F32 load(const float* from) { return {_mm256_loadu_ps(from)}; }
QS_INLINE I32 load(const int32_t* from) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))}; }
QS_INLINE void store(float* to, F32 a) { _mm256_storeu_ps(to, a.v); }
QS_INLINE void store(int32_t* to, I32 a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), a.v); }

QS_INLINE I32 loadBytes(const uint8_t* from) {
  return {_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)))};
}
QS_INLINE I32 loadSignedBytes(const int8_t* from) {
  return {_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)))};
}
QS_INLINE I32 loadWords(const uint16_t* from) {
  return {_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))};
}
QS_INLINE __m128i lowWords(__m256i a) {
  const __m256i words = _mm256_and_si256(a, _mm256_set1_epi32(0xffff));
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0x08));
}
QS_INLINE void storeBytes(uint8_t* to, I32 a) {
  const __m128i bytes = lowWords(_mm256_and_si256(a.v, _mm256_set1_epi32(0xff)));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(bytes, bytes));
}
QS_INLINE void storeWords(uint16_t* to, I32 a) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), lowWords(a.v)); }
QS_INLINE F32 loadHalves(const uint16_t* from) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))};
}
QS_INLINE void storeHalves(uint16_t* to, F32 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

QS_INLINE F32 operator+(F32 a, F32 b) { return {_mm256_add_ps(a.v, b.v)}; }
QS_INLINE F32 operator-(F32 a, F32 b) { return {_mm256_sub_ps(a.v, b.v)}; }
QS_INLINE F32 operator*(F32 a, F32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
QS_INLINE F32 operator/(F32 a, F32 b) { return {_mm256_div_ps(a.v, b.v)}; }
QS_INLINE F32 squareRoot(F32 a) { return {_mm256_sqrt_ps(a.v)}; }
// a < b ? a : b and a > b ? a : b, also for zeros of both signs and for NaN.
QS_INLINE F32 smaller(F32 a, F32 b) { return {_mm256_min_ps(a.v, b.v)}; }
QS_INLINE F32 larger(F32 a, F32 b) { return {_mm256_max_ps(a.v, b.v)}; }
QS_INLINE F32 magnitude(F32 a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }

QS_INLINE I32 operator+(I32 a, I32 b) { return {_mm256_add_epi32(a.v, b.v)}; }
QS_INLINE I32 operator-(I32 a, I32 b) { return {_mm256_sub_epi32(a.v, b.v)}; }
QS_INLINE I32 operator&(I32 a, I32 b) { return {_mm256_and_si256(a.v, b.v)}; }
QS_INLINE I32 operator|(I32 a, I32 b) { return {_mm256_or_si256(a.v, b.v)}; }
QS_INLINE I32 operator^(I32 a, I32 b) { return {_mm256_xor_si256(a.v, b.v)}; }
QS_INLINE I32 operator<<(I32 a, int by) { return {_mm256_sll_epi32(a.v, _mm_cvtsi32_si128(by))}; }
// Logical: zeros come in from the left.
QS_INLINE I32 operator>>(I32 a, int by) { return {_mm256_srl_epi32(a.v, _mm_cvtsi32_si128(by))}; }
QS_INLINE I32 shiftRightSigned(I32 a, int by) { return {_mm256_sra_epi32(a.v, _mm_cvtsi32_si128(by))}; }
QS_INLINE I32 smaller(I32 a, I32 b) { return {_mm256_min_epi32(a.v, b.v)}; }
QS_INLINE I32 larger(I32 a, I32 b) { return {_mm256_max_epi32(a.v, b.v)}; }
// (a & b) | c.
QS_INLINE I32 andOr(I32 a, I32 b, I32 c) { return (a & b) | c; }

QS_INLINE I32 asInts(F32 a) { return {_mm256_castps_si256(a.v)}; }
QS_INLINE F32 asFloats(I32 a) { return {_mm256_castsi256_ps(a.v)}; }
QS_INLINE F32 toFloats(I32 a) { return {_mm256_cvtepi32_ps(a.v)}; }
// Rounds towards zero; INT_MIN where the value does not fit.
QS_INLINE I32 truncated(F32 a) { return {_mm256_cvttps_epi32(a.v)}; }

QS_INLINE Mask operator<(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
QS_INLINE Mask operator>(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
QS_INLINE Mask operator<=(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
QS_INLINE Mask operator>=(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
QS_INLINE Mask operator==(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
QS_INLINE Mask operator!=(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_NEQ_UQ)}; }
QS_INLINE Mask operator==(I32 a, I32 b) { return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.v, b.v))}; }
QS_INLINE Mask operator>(I32 a, I32 b) { return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(a.v, b.v))}; }
QS_INLINE Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.v, b.v)}; }
QS_INLINE Mask operator|(Mask a, Mask b) { return {_mm256_or_ps(a.v, b.v)}; }
QS_INLINE Mask operator~(Mask a) { return {_mm256_xor_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))}; }
// Bit i is lane i.
QS_INLINE uint32_t laneBits(Mask a) { return static_cast<uint32_t>(_mm256_movemask_ps(a.v)); }
QS_INLINE bool any(Mask a) { return _mm256_movemask_ps(a.v) != 0; }

QS_INLINE F32 select(Mask mask, F32 yes, F32 no) { return {_mm256_blendv_ps(no.v, yes.v, mask.v)}; }
QS_INLINE I32 select(Mask mask, I32 yes, I32 no) { return asInts(select(mask, asFloats(yes), asFloats(no))); }

QS_INLINE float largestOf(F32 a) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}
QS_INLINE float smallestOf(F32 a) {
  __m128 half = _mm_min_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  half = _mm_min_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_min_ss(half, _mm_movehdup_ps(half)));
}

struct Ends {
  float smallest;
  float largest;
};
/// Smallest lane of `low` and largest of `high`.
QS_INLINE Ends endsOf(F32 low, F32 high) { return {smallestOf(low), largestOf(high)}; }

QS_INLINE I32 gather(const int32_t* from, I32 index) { return {_mm256_i32gather_epi32(from, index.v, 4)}; }

// Sixteen floats; a lookup uses the low four bits of each index.
struct Table16 {
  __m256 low;
  __m256 high;
};
QS_INLINE Table16 table16(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
QS_INLINE F32 lookup(const Table16& table, I32 index) {
  const __m256 low = _mm256_permutevar8x32_ps(table.low, index.v);
  const __m256 high = _mm256_permutevar8x32_ps(table.high, index.v);
  return {_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index.v, 28)))};
}

// out[k] gets, in lane l, runs[l][k]: eight consecutive floats of each run.
QS_INLINE void transpose(const float* const* runs, size_t offset, F32* out) {
  for (int half = 0; half < 2; ++half) {
    const size_t at = offset + static_cast<size_t>(half) * 4;
    __m256 a[4];
    for (int k = 0; k < 4; ++k) {
      a[k] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(runs[k] + at)), _mm_loadu_ps(runs[k + 4] + at), 1);
    }
    const __m256 b0 = _mm256_unpacklo_ps(a[0], a[1]);
    const __m256 b1 = _mm256_unpackhi_ps(a[0], a[1]);
    const __m256 b2 = _mm256_unpacklo_ps(a[2], a[3]);
    const __m256 b3 = _mm256_unpackhi_ps(a[2], a[3]);
    out[half * 4 + 0].v = _mm256_shuffle_ps(b0, b2, 0x44);
    out[half * 4 + 1].v = _mm256_shuffle_ps(b0, b2, 0xee);
    out[half * 4 + 2].v = _mm256_shuffle_ps(b1, b3, 0x44);
    out[half * 4 + 3].v = _mm256_shuffle_ps(b1, b3, 0xee);
  }
}

// Four float64 lanes, for sums over many terms.
inline constexpr int kDoubles = 4;
// Vectors of float64 sums that fit the registers beside their operands: those of four rows, so many to a row.
inline constexpr int kSumVectors = 2;

struct F64 {
  __m256d v;
};

QS_INLINE F64 splat(double value) { return {_mm256_set1_pd(value)}; }
QS_INLINE F64 load(const double* from) { return {_mm256_loadu_pd(from)}; }
QS_INLINE void store(double* to, F64 a) { _mm256_storeu_pd(to, a.v); }
QS_INLINE F64 operator+(F64 a, F64 b) { return {_mm256_add_pd(a.v, b.v)}; }
QS_INLINE F64 operator-(F64 a, F64 b) { return {_mm256_sub_pd(a.v, b.v)}; }
QS_INLINE F64 operator*(F64 a, F64 b) { return {_mm256_mul_pd(a.v, b.v)}; }
// The lower and the upper half of the lanes, exactly.
QS_INLINE F64 widenLow(F32 a) { return {_mm256_cvtps_pd(_mm256_castps256_ps128(a.v))}; }
QS_INLINE F64 widenHigh(F32 a) { return {_mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1))}; }

}  // namespace qs::QS_TARGET
