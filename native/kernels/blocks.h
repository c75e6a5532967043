#pragma once
// Layouts of the ggml blocks that GGUF files hold. All little-endian; `half` is an IEEE binary16.
#include <cstdint>

namespace qs {

using half = uint16_t;

inline constexpr int kBlock = 32;        // weights per block of the _0 and _1 types
inline constexpr int kSuperBlock = 256;  // weights per super-block of the K and IQ types
inline constexpr float kNegligible = 1e-15f;  // a group whose largest magnitude is below this is stored as zeros

#pragma pack(push, 1)  // blocks may be at any address

// x' = d · (q − 8); the low nibbles hold weights 0..15, the high ones 16..31.
struct BlockQ4_0 {
  half d;
  uint8_t qs[kBlock / 2];
};
// x' = d · q + m.
struct BlockQ4_1 {
  half d;
  half m;
  uint8_t qs[kBlock / 2];
};
// x' = d · (q − 16); bit i of qh is the fifth bit of weight i.
struct BlockQ5_0 {
  half d;
  uint8_t qh[4];
  uint8_t qs[kBlock / 2];
};
// x' = d · q + m.
struct BlockQ5_1 {
  half d;
  half m;
  uint8_t qh[4];
  uint8_t qs[kBlock / 2];
};
// x' = d · q.
struct BlockQ8_0 {
  half d;
  int8_t qs[kBlock];
};
// 16 sub-blocks of 16: x' = d · (scale & 15) · q − dmin · (scale >> 4).
struct BlockQ2_K {
  uint8_t scales[kSuperBlock / 16];
  uint8_t qs[kSuperBlock / 4];
  half d;
  half dmin;
};
// 16 sub-blocks of 16: x' = d · (scale − 32) · (q − 4), the third bit of q in hmask.
struct BlockQ3_K {
  uint8_t hmask[kSuperBlock / 8];
  uint8_t qs[kSuperBlock / 4];
  uint8_t scales[12];
  half d;
};
// 8 sub-blocks of 32: x' = d · scale · q − dmin · min, scales and mins of 6 bits packed in 12 bytes.
struct BlockQ4_K {
  half d;
  half dmin;
  uint8_t scales[12];
  uint8_t qs[kSuperBlock / 2];
};
// As Q4_K with a fifth bit per weight in qh.
struct BlockQ5_K {
  half d;
  half dmin;
  uint8_t scales[12];
  uint8_t qh[kSuperBlock / 8];
  uint8_t qs[kSuperBlock / 2];
};
// 16 sub-blocks of 16: x' = d · scale · (q − 32), q in 4 low bits (ql) and 2 high bits (qh).
struct BlockQ6_K {
  uint8_t ql[kSuperBlock / 2];
  uint8_t qh[kSuperBlock / 4];
  int8_t scales[kSuperBlock / 16];
  half d;
};

// x' = ±d by the bit of each weight.
struct BlockQ1_0 {
  half d;
  uint8_t qs[16];
};
// x' = d · (q − 1), four 2-bit codes to a byte.
struct BlockQ2_0 {
  half d;
  uint8_t qs[16];
};
// x' = E2M1(q) · 2^(e − 127); nibbles as in Q4_0.
struct BlockMXFP4 {
  uint8_t e;
  uint8_t qs[kBlock / 2];
};
// Four sub-blocks of 16 with an unsigned E4M3 scale each; nibbles of a sub-block as in Q4_0.
struct BlockNVFP4 {
  uint8_t d[4];
  uint8_t qs[32];
};
// x' = d · (t − 1): five ternary digits to a byte of qs, four to a byte of qh, as fractions of 3^5.
struct BlockTQ1_0 {
  uint8_t qs[48];
  uint8_t qh[4];
  half d;
};
// x' = d · (q − 1): four 2-bit codes to a byte, 32 weights apart.
struct BlockTQ2_0 {
  uint8_t qs[kSuperBlock / 4];
  half d;
};
// x' = d · table[q]; nibbles as in Q4_0.
struct BlockIQ4_NL {
  half d;
  uint8_t qs[kBlock / 2];
};
// 8 sub-blocks of 32: x' = d · (scale − 32) · table[q], scales of six bits: low four in scales_l, high two in scales_h.
struct BlockIQ4_XS {
  half d;
  uint16_t scales_h;
  uint8_t scales_l[kSuperBlock / 64];
  uint8_t qs[kSuperBlock / 2];
};
// 8 sub-blocks of 32, each four grid indices of 8 bits, then four 7-bit sign patterns and a 4-bit scale.
struct BlockIQ2_XXS {
  half d;
  uint16_t qs[kSuperBlock / 8];
};
// 16 sub-blocks of 16 with 4-bit scales; each word of qs is a 9-bit grid index and a 7-bit sign pattern of 8 weights.
struct BlockIQ2_XS {
  half d;
  uint16_t qs[kSuperBlock / 8];
  uint8_t scales[kSuperBlock / 32];
};
// As IQ2_XS with 10-bit grid indices (high two bits in qh) and all eight signs (second half of qs).
struct BlockIQ2_S {
  half d;
  uint8_t qs[kSuperBlock / 4];
  uint8_t qh[kSuperBlock / 32];
  uint8_t scales[kSuperBlock / 32];
};
// 64 grid indices of 4 weights, then 8 words of four 7-bit sign patterns and a 4-bit scale.
struct BlockIQ3_XXS {
  half d;
  uint8_t qs[3 * kSuperBlock / 8];
};
// 64 grid indices of 9 bits (the ninth in qh), all signs, 8 scales of 4 bits.
struct BlockIQ3_S {
  half d;
  uint8_t qs[kSuperBlock / 4];
  uint8_t qh[kSuperBlock / 32];
  uint8_t signs[kSuperBlock / 8];
  uint8_t scales[kSuperBlock / 64];
};
// 32 grid indices of 11 bits (high three in qh); qh also holds a 3-bit scale and the sign of the shift of 32 weights.
struct BlockIQ1_S {
  half d;
  uint8_t qs[kSuperBlock / 8];
  uint16_t qh[kSuperBlock / 32];
};
// As IQ1_S with a shift per 8 and a scale per 16 weights; d is spread over the top nibbles of the four scale words.
struct BlockIQ1_M {
  uint8_t qs[kSuperBlock / 8];
  uint8_t qh[kSuperBlock / 16];
  uint8_t scales[kSuperBlock / 32];
};

#pragma pack(pop)

static_assert(sizeof(BlockQ4_0) == 18);
static_assert(sizeof(BlockQ4_1) == 20);
static_assert(sizeof(BlockQ5_0) == 22);
static_assert(sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ8_0) == 34);
static_assert(sizeof(BlockQ2_K) == 84);
static_assert(sizeof(BlockQ3_K) == 110);
static_assert(sizeof(BlockQ4_K) == 144);
static_assert(sizeof(BlockQ5_K) == 176);
static_assert(sizeof(BlockQ6_K) == 210);
static_assert(sizeof(BlockQ1_0) == 18);
static_assert(sizeof(BlockQ2_0) == 18);
static_assert(sizeof(BlockMXFP4) == 17);
static_assert(sizeof(BlockNVFP4) == 36);
static_assert(sizeof(BlockTQ1_0) == 54);
static_assert(sizeof(BlockTQ2_0) == 66);
static_assert(sizeof(BlockIQ4_NL) == 18);
static_assert(sizeof(BlockIQ4_XS) == 136);
static_assert(sizeof(BlockIQ2_XXS) == 66);
static_assert(sizeof(BlockIQ2_XS) == 74);
static_assert(sizeof(BlockIQ2_S) == 82);
static_assert(sizeof(BlockIQ3_XXS) == 98);
static_assert(sizeof(BlockIQ3_S) == 110);
static_assert(sizeof(BlockIQ1_S) == 50);
static_assert(sizeof(BlockIQ1_M) == 56);

}  // namespace qs
