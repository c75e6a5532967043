#pragma once
// Sixteen float32 lanes: AVX-512 F, BW, DQ, VL.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "../platform.h"

namespace qs::QS_TARGET {

inline constexpr int kLanes = 16;

struct F32 {
  __m512 v;
};
struct I32 {
  __m512i v;
};
struct Mask {
  __mmask16 v;
};

QS_INLINE F32 splat(float value) { return {_mm512_set1_ps(value)}; }
QS_INLINE I32 splat(int32_t value) { return {_mm512_set1_epi32(value)}; }

QS_INLINE F32 load(const float* from) { return {_mm512_loadu_ps(from)}; }
QS_INLINE I32 load(const int32_t* from) { return {_mm512_loadu_si512(from)}; }
QS_INLINE void store(float* to, F32 a) { _mm512_storeu_ps(to, a.v); }
QS_INLINE void store(int32_t* to, I32 a) { _mm512_storeu_si512(to, a.v); }

QS_INLINE I32 loadBytes(const uint8_t* from) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))};
}
QS_INLINE I32 loadSignedBytes(const int8_t* from) {
  return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))};
}
QS_INLINE I32 loadWords(const uint16_t* from) {
  return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
}
QS_INLINE void storeBytes(uint8_t* to, I32 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(a.v));
}
QS_INLINE void storeWords(uint16_t* to, I32 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(a.v));
}
QS_INLINE F32 loadHalves(const uint16_t* from) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
}
QS_INLINE void storeHalves(uint16_t* to, F32 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

QS_INLINE F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
QS_INLINE F32 operator-(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
QS_INLINE F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
QS_INLINE F32 operator/(F32 a, F32 b) { return {_mm512_div_ps(a.v, b.v)}; }
QS_INLINE F32 squareRoot(F32 a) { return {_mm512_sqrt_ps(a.v)}; }
// a < b ? a : b and a > b ? a : b, also for zeros of both signs and for NaN.
QS_INLINE F32 smaller(F32 a, F32 b) { return {_mm512_min_ps(a.v, b.v)}; }
QS_INLINE F32 larger(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
QS_INLINE F32 magnitude(F32 a) { return {_mm512_abs_ps(a.v)}; }

QS_INLINE I32 operator+(I32 a, I32 b) { return {_mm512_add_epi32(a.v, b.v)}; }
QS_INLINE I32 operator-(I32 a, I32 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
QS_INLINE I32 operator&(I32 a, I32 b) { return {_mm512_and_si512(a.v, b.v)}; }
QS_INLINE I32 operator|(I32 a, I32 b) { return {_mm512_or_si512(a.v, b.v)}; }
QS_INLINE I32 operator^(I32 a, I32 b) { return {_mm512_xor_si512(a.v, b.v)}; }
QS_INLINE I32 operator<<(I32 a, int by) { return {_mm512_sll_epi32(a.v, _mm_cvtsi32_si128(by))}; }
// Logical: zeros come in from the left.
QS_INLINE I32 operator>>(I32 a, int by) { return {_mm512_srl_epi32(a.v, _mm_cvtsi32_si128(by))}; }
QS_INLINE I32 shiftRightSigned(I32 a, int by) { return {_mm512_sra_epi32(a.v, _mm_cvtsi32_si128(by))}; }
QS_INLINE I32 smaller(I32 a, I32 b) { return {_mm512_min_epi32(a.v, b.v)}; }
QS_INLINE I32 larger(I32 a, I32 b) { return {_mm512_max_epi32(a.v, b.v)}; }
// (a & b) | c.
QS_INLINE I32 andOr(I32 a, I32 b, I32 c) { return {_mm512_ternarylogic_epi32(a.v, b.v, c.v, 0xea)}; }

QS_INLINE I32 asInts(F32 a) { return {_mm512_castps_si512(a.v)}; }
QS_INLINE F32 asFloats(I32 a) { return {_mm512_castsi512_ps(a.v)}; }
QS_INLINE F32 toFloats(I32 a) { return {_mm512_cvtepi32_ps(a.v)}; }
// Rounds towards zero; INT_MIN where the value does not fit.
QS_INLINE I32 truncated(F32 a) { return {_mm512_cvttps_epi32(a.v)}; }

QS_INLINE Mask operator<(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
QS_INLINE Mask operator>(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
QS_INLINE Mask operator<=(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
QS_INLINE Mask operator>=(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
QS_INLINE Mask operator==(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
QS_INLINE Mask operator!=(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_UQ)}; }
QS_INLINE Mask operator==(I32 a, I32 b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
QS_INLINE Mask operator>(I32 a, I32 b) { return {_mm512_cmpgt_epi32_mask(a.v, b.v)}; }
QS_INLINE Mask operator&(Mask a, Mask b) { return {static_cast<__mmask16>(a.v & b.v)}; }
QS_INLINE Mask operator|(Mask a, Mask b) { return {static_cast<__mmask16>(a.v | b.v)}; }
QS_INLINE Mask operator~(Mask a) { return {static_cast<__mmask16>(~a.v)}; }
// Bit i is lane i.
QS_INLINE uint32_t laneBits(Mask a) { return a.v; }
QS_INLINE bool any(Mask a) { return a.v != 0; }

QS_INLINE F32 select(Mask mask, F32 yes, F32 no) { return {_mm512_mask_blend_ps(mask.v, no.v, yes.v)}; }
QS_INLINE I32 select(Mask mask, I32 yes, I32 no) { return {_mm512_mask_blend_epi32(mask.v, no.v, yes.v)}; }

QS_INLINE float largestOf(F32 a) { return _mm512_reduce_max_ps(a.v); }

struct Ends {
  float smallest;
  float largest;
};
/// Smallest lane of `low` and largest of `high`.
QS_INLINE Ends endsOf(F32 low, F32 high) {
  // Both at once: the two halves of one vector, the smallest as the largest of the negatives.
  const __m512 negative = _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(low.v), _mm512_set1_epi32(INT32_MIN)));
  const __m512 outer = _mm512_shuffle_f32x4(negative, high.v, 0x44);
  const __m512 inner = _mm512_shuffle_f32x4(negative, high.v, 0xee);
  __m512 most = _mm512_max_ps(outer, inner);
  most = _mm512_max_ps(most, _mm512_shuffle_f32x4(most, most, 0xb1));
  most = _mm512_max_ps(most, _mm512_permute_ps(most, 0x4e));
  most = _mm512_max_ps(most, _mm512_permute_ps(most, 0xb1));
  return {-_mm512_cvtss_f32(most), _mm_cvtss_f32(_mm512_extractf32x4_ps(most, 2))};
}

QS_INLINE I32 gather(const int32_t* from, I32 index) { return {_mm512_i32gather_epi32(index.v, from, 4)}; }

// Sixteen floats; a lookup uses the low four bits of each index.
struct Table16 {
  __m512 v;
};
QS_INLINE Table16 table16(const float* from) { return {_mm512_loadu_ps(from)}; }
QS_INLINE F32 lookup(const Table16& table, I32 index) { return {_mm512_permutexvar_ps(index.v, table.v)}; }

// out[k] gets, in lane l, runs[l][k]: sixteen consecutive floats of each run.
QS_INLINE void transpose(const float* const* runs, size_t offset, F32* out) {
  __m512 a[16];
  __m512 b[16];
  // Quarters of four runs side by side, so that only a 4 × 4 transposition in each 128-bit lane remains.
  for (int k = 0; k < 4; ++k) {
    for (int quarter = 0; quarter < 4; ++quarter) {
      const size_t at = offset + static_cast<size_t>(quarter) * 4;
      __m512 row = _mm512_castps128_ps512(_mm_loadu_ps(runs[k] + at));
      row = _mm512_insertf32x4(row, _mm_loadu_ps(runs[k + 4] + at), 1);
      row = _mm512_insertf32x4(row, _mm_loadu_ps(runs[k + 8] + at), 2);
      row = _mm512_insertf32x4(row, _mm_loadu_ps(runs[k + 12] + at), 3);
      a[quarter * 4 + k] = row;
    }
  }
  for (int quarter = 0; quarter < 4; ++quarter) {
    const __m512* from = a + quarter * 4;
    b[0] = _mm512_unpacklo_ps(from[0], from[1]);
    b[1] = _mm512_unpackhi_ps(from[0], from[1]);
    b[2] = _mm512_unpacklo_ps(from[2], from[3]);
    b[3] = _mm512_unpackhi_ps(from[2], from[3]);
    out[quarter * 4 + 0].v = _mm512_shuffle_ps(b[0], b[2], 0x44);
    out[quarter * 4 + 1].v = _mm512_shuffle_ps(b[0], b[2], 0xee);
    out[quarter * 4 + 2].v = _mm512_shuffle_ps(b[1], b[3], 0x44);
    out[quarter * 4 + 3].v = _mm512_shuffle_ps(b[1], b[3], 0xee);
  }
}

// Eight float64 lanes, for sums over many terms.
inline constexpr int kDoubles = 8;
// Vectors of float64 sums that fit the registers beside their operands: those of four rows, so many to a row.
inline constexpr int kSumVectors = 4;

struct F64 {
  __m512d v;
};

QS_INLINE F64 splat(double value) { return {_mm512_set1_pd(value)}; }
QS_INLINE F64 load(const double* from) { return {_mm512_loadu_pd(from)}; }
QS_INLINE void store(double* to, F64 a) { _mm512_storeu_pd(to, a.v); }
QS_INLINE F64 operator+(F64 a, F64 b) { return {_mm512_add_pd(a.v, b.v)}; }
QS_INLINE F64 operator-(F64 a, F64 b) { return {_mm512_sub_pd(a.v, b.v)}; }
QS_INLINE F64 operator*(F64 a, F64 b) { return {_mm512_mul_pd(a.v, b.v)}; }
// The lower and the upper half of the lanes, exactly.
QS_INLINE F64 widenLow(F32 a) { return {_mm512_cvtps_pd(_mm512_castps512_ps256(a.v))}; }
QS_INLINE F64 widenHigh(F32 a) { return {_mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1))}; }

}  // namespace qs::QS_TARGET
