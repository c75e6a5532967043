#pragma once
// Layouts of the ggml blocks that GGUF files hold. All little-endian; `half` is an IEEE binary16.
#include <cstdint>

namespace qs {

using half = uint16_t;

inline constexpr int kBlock = 32;        // weights per block of the _0 and _1 types
inline constexpr int kSuperBlock = 256;  // weights per super-block of the K types

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

}  // namespace qs
