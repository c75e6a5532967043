#pragma once
// How the K types pack scales and codes, for their encoders and decoders.
#include <cstdint>

#include "platform.h"

namespace qs {

QS_INLINE int limited(int value, int smallest, int largest) {
  return value < smallest ? smallest : value > largest ? largest : value;
}

/// Six-bit scale and minimum of sub-block j: the low four bits of sub-blocks 4..7 in bytes 8..11, their high two bits in
/// the top of bytes 0..7.
QS_INLINE void packScaleMin(uint8_t* packed, int j, uint8_t scale, uint8_t min) {
  if (j < 4) {
    packed[j] = scale;
    packed[j + 4] = min;
    return;
  }
  packed[j + 4] = static_cast<uint8_t>((scale & 15) | ((min & 15) << 4));
  packed[j - 4] = static_cast<uint8_t>(packed[j - 4] | ((scale >> 4) << 6));
  packed[j] = static_cast<uint8_t>(packed[j] | ((min >> 4) << 6));
}

QS_INLINE void unpackScaleMin(const uint8_t* packed, int j, uint8_t& scale, uint8_t& min) {
  if (j < 4) {
    scale = packed[j] & 63;
    min = packed[j + 4] & 63;
    return;
  }
  scale = static_cast<uint8_t>((packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4));
  min = static_cast<uint8_t>((packed[j + 4] >> 4) | ((packed[j] >> 6) << 4));
}

/// Six-bit scales of a Q3_K block: four low bits in bytes 0..7, two high bits in bytes 8..11.
QS_INLINE int scaleQ3_K(const uint8_t* packed, int j) {
  const int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4;
  const int high = (packed[8 + j % 4] >> (2 * (j / 4))) & 3;
  return (low | (high << 4)) - 32;
}

QS_INLINE void packScalesQ3_K(uint8_t* packed, const int* scales) {
  for (int j = 0; j < 12; ++j) packed[j] = 0;
  for (int j = 0; j < 16; ++j) {
    const int code = scales[j] + 32;
    packed[j % 8] = static_cast<uint8_t>(packed[j % 8] | ((code & 15) << (4 * (j / 8))));
    packed[8 + j % 4] = static_cast<uint8_t>(packed[8 + j % 4] | ((code >> 4) << (2 * (j / 4))));
  }
}

/// Two-bit codes, four to a byte: those of weights i, i + 32, i + 64 and i + 96 of each half of the block.
QS_INLINE void packPairs(const uint8_t* codes, uint8_t* packed) {
  for (int half = 0; half < 2; ++half, codes += 128, packed += 32) {
    for (int i = 0; i < 32; ++i) {
      packed[i] = static_cast<uint8_t>(codes[i] | (codes[i + 32] << 2) | (codes[i + 64] << 4) | (codes[i + 96] << 6));
    }
  }
}

}  // namespace qs
