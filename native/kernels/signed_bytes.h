#pragma once
// Decoding by bytes: a grid point is eight or four bytes, signs are applied to all of them at once, and whole blocks are
// widened to float32 afterwards.
#include <array>
#include <cstring>

#include "grids.h"
#include "simd/vector.h"

namespace qs {

/// For each pattern of eight signs, a byte mask: 0xff where the sign is minus.
constexpr std::array<uint64_t, 256> signMasks() {
  std::array<uint64_t, 256> masks{};
  for (size_t signs = 0; signs < 256; ++signs) {
    for (size_t i = 0; i < 8; ++i) masks[signs] |= ((signs >> i) & 1) != 0 ? uint64_t{0xff} << (8 * i) : 0;
  }
  return masks;
}
inline constexpr std::array<uint64_t, 256> kSignMasks = signMasks();

}  // namespace qs

namespace qs::QS_TARGET {

/// Negates the bytes whose sign is minus; none of them is zero, so no carry leaves a byte.
QS_INLINE uint64_t withSigns(uint64_t bytes, uint8_t signs) {
  const uint64_t mask = kSignMasks[signs];
  return (bytes ^ mask) + (mask & 0x0101010101010101u);
}

/// y = scale · q for N signed bytes.
template <int N>
QS_INLINE void scaleBytes(const int8_t* q, float scale, float* y) {
  for (int i = 0; i < N; i += kLanes) store(y + i, splat(scale) * toFloats(loadSignedBytes(q + i)));
}

}  // namespace qs::QS_TARGET
